import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { add, mul } from '../../engine/ops/elementwise.js';
import { msePairing, type PairReduction } from './losses.js';
import {
  checkChoice,
  checkLabelSmoothing,
  checkWeight,
  crossEntropyAtUniform,
  needed,
  type LabelSmoothing,
  type Objective,
} from './objective.js';

/** Options of {@link alp}. */
export interface AlpOptions extends LabelSmoothing {
  /** Weight of the pairing, 0 or more; 0.5 unless told. */
  readonly lambda?: number;
  /** Whether the pairing sums over the classes, as the formula does, or takes their mean; 'sum' unless told. */
  readonly pairReduction?: PairReduction;
}

/** The defaults of {@link alp}. */
export const ALP_DEFAULTS: Required<AlpOptions> = { lambda: 0.5, pairReduction: 'sum', labelSmoothing: 0 };

/**
 * Adversarial logit pairing: Kannan, Kurakin and Goodfellow, "Adversarial logit pairing", 2018, in the form of Atsague, Fakorede and
 * Tian 2021, table 1. With the natural logits z and the adversarial logits z',
 *
 *     mean_i CE(z'_i, y_i) + lambda mean_i ||z'_i - z_i||_2^2
 *
 * Terms, unweighted: `ce` (nats, of the adversarial images), `mse`.
 *
 * Throws an `ArgumentError` for a weight that is negative or not finite, a `labelSmoothing` outside [0, 1), or an unknown
 * `pairReduction`.
 */
export function alp(options: AlpOptions = {}): Objective {
  const settings = { ...ALP_DEFAULTS, ...options };
  checkWeight('alp', 'lambda', settings.lambda);
  checkChoice('alp', 'pairReduction', settings.pairReduction, ['sum', 'mean']);
  checkLabelSmoothing('alp', settings.labelSmoothing);
  return {
    name: 'alp',
    options: { ...settings },
    needs: { natural: true, adversarial: true },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    loss: (logits, labels) => {
      const natural = needed('alp', 'natural', logits);
      const adversarial = needed('alp', 'adversarial', logits);
      const ce = crossEntropy(adversarial, labels, { labelSmoothing: settings.labelSmoothing });
      const mse = msePairing(natural, adversarial, { reduction: settings.pairReduction });
      return { total: add(ce, mul(mse, settings.lambda)), terms: { ce, mse } };
    },
  };
}
