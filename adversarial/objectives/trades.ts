import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { add, mul } from '../../engine/ops/elementwise.js';
import { klDivergence } from './losses.js';
import {
  checkChoice,
  checkLabelSmoothing,
  checkWeight,
  crossEntropyAtUniform,
  needed,
  type LabelSmoothing,
  type Objective,
} from './objective.js';

/** Options of {@link trades}. */
export interface TradesOptions extends LabelSmoothing {
  /** Weight of the divergence, 0 or more; 6 unless told. (The published code calls it beta.) */
  readonly lambda?: number;
  /**
   * Forward passes in training mode: 'common', natural then adversarial, unless told; 'original', the published code's, which passes
   * the natural images once more after the adversarial ones. Only running statistics tell the two apart.
   */
  readonly passes?: 'common' | 'original';
}

/** The defaults of {@link trades}: the published code's weight. */
export const TRADES_DEFAULTS: Required<TradesOptions> = { lambda: 6, passes: 'common', labelSmoothing: 0 };

/**
 * TRADES: Zhang, Yu, Jiao, Xing, El Ghaoui and Jordan, "Theoretically principled trade-off between robustness and accuracy",
 * ICML 2019. With p the natural and q the adversarial softmax,
 *
 *     mean_i CE(z_i, y_i) + lambda mean_i KL(p_i || q_i)
 *
 * and gradients through both. Its own attack raises KL(p || q), with p of a pass in evaluation mode. Terms, unweighted: `ce` (nats, of
 * the natural images), `kl` (nats).
 *
 * Throws an `ArgumentError` for a weight that is negative or not finite, a `labelSmoothing` outside [0, 1), or unknown `passes`.
 */
export function trades(options: TradesOptions = {}): Objective {
  const settings = { ...TRADES_DEFAULTS, ...options };
  checkWeight('trades', 'lambda', settings.lambda);
  checkChoice('trades', 'passes', settings.passes, ['common', 'original']);
  checkLabelSmoothing('trades', settings.labelSmoothing);
  const original = settings.passes === 'original';
  return {
    name: 'trades',
    options: { ...settings },
    needs: { natural: true, adversarial: true, naturalAgain: original },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    attackLoss: (natural) => (logits) => klDivergence(natural, logits, { reduction: 'none' }),
    loss: (logits, labels) => {
      const natural = needed('trades', 'natural', logits);
      const target = original ? needed('trades', 'naturalAgain', logits) : natural;
      const ce = crossEntropy(natural, labels, { labelSmoothing: settings.labelSmoothing });
      const kl = klDivergence(target, needed('trades', 'adversarial', logits));
      return { total: add(ce, mul(kl, settings.lambda)), terms: { ce, kl } };
    },
  };
}
