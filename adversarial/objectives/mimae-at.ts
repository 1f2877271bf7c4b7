import { ArgumentError } from '../../engine/errors.js';
import { mimaeLoss, type PairReduction } from './losses.js';
import { boostedCrossEntropyAtUniform, needed, type Objective } from './objective.js';

/** Options of {@link mimaeAT}. */
export interface MimaeATOptions {
  /** Weight of the mutual information, 0 or more; 0.4 unless told. */
  readonly lambda?: number;
  /** Weight of the L1 term, 0 or more; 1 unless told. */
  readonly beta?: number;
  /** Symmetrise the joint distribution; true unless told. */
  readonly symmetrize?: boolean;
  /** Whether the L1 term sums over the classes, as the formula does, or takes their mean; 'sum' unless told. */
  readonly pairReduction?: PairReduction;
  /** The constants of MART's published code in the boosted cross-entropy; false unless told. */
  readonly martCompat?: boolean;
}

/** The defaults of {@link mimaeAT}: the paper's, for ResNet-18. */
export const MIMAE_AT_DEFAULTS: Required<MimaeATOptions> = {
  lambda: 0.4,
  beta: 1,
  symmetrize: true,
  pairReduction: 'sum',
  martCompat: false,
};

/**
 * MIMAE-AT: Atsague, Fakorede and Tian, "A mutual information regularization for adversarial training", ACML 2021, eq. 11. With
 * the natural logits z, the adversarial logits z' and their softmaxes p, q,
 *
 *     mean_i BCE(q_i, y_i) - lambda MI(p, q) + beta mean_i ||z'_i - z_i||_1
 *
 * Terms, unweighted: `bce` (nats), `mi` (nats, of the batch, larger is better), `l1`.
 *
 * Throws an `ArgumentError` for weights that are negative or not finite, or an unknown `pairReduction`.
 */
export function mimaeAT(options: MimaeATOptions = {}): Objective {
  const settings = { ...MIMAE_AT_DEFAULTS, ...options };
  for (const name of ['lambda', 'beta'] as const) {
    const weight = settings[name];
    if (!(weight >= 0 && weight < Infinity)) {
      throw new ArgumentError(`mimae-at: ${name} is ${weight}; expected a finite number from 0 up`);
    }
  }
  if (!['sum', 'mean'].includes(settings.pairReduction)) {
    throw new ArgumentError(`mimae-at: pairReduction is '${settings.pairReduction}'; expected sum or mean`);
  }
  return {
    name: 'mimae-at',
    options: { ...settings },
    needs: { natural: true, adversarial: true },
    classification: { term: 'bce', atUniform: boostedCrossEntropyAtUniform },
    loss: (logits, labels) => {
      const natural = needed('mimae-at', 'natural', logits);
      const adversarial = needed('mimae-at', 'adversarial', logits);
      const { loss, classification, mutualInformation, pairing } = mimaeLoss(natural, adversarial, labels, settings);
      return { total: loss, terms: { bce: classification, mi: mutualInformation, l1: pairing } };
    },
  };
}
