import { mimaeLoss, type PairReduction } from './losses.js';
import {
  boostedCrossEntropyAtUniform,
  checkChoice,
  checkWeight,
  crossEntropyAtUniform,
  maximumMutualInformation,
  needed,
  type Objective,
} from './objective.js';

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
  /** The pairing term: 'l1' unless told, or 'mse', the method's ablation. */
  readonly pairing?: 'l1' | 'mse';
  /** The classification term: 'bce', boosted, unless told, or 'ce', the method's ablation. */
  readonly classification?: 'bce' | 'ce';
}

/** The defaults of {@link mimaeAT}: the paper's, for ResNet-18. */
export const MIMAE_AT_DEFAULTS: Required<MimaeATOptions> = {
  lambda: 0.4,
  beta: 1,
  symmetrize: true,
  pairReduction: 'sum',
  martCompat: false,
  pairing: 'l1',
  classification: 'bce',
};

const CHOICES = { pairReduction: ['sum', 'mean'], pairing: ['l1', 'mse'], classification: ['bce', 'ce'] } as const;

/**
 * MIMAE-AT: Atsague, Fakorede and Tian, "A mutual information regularization for adversarial training", ACML 2021, eq. 11. With
 * the natural logits z, the adversarial logits z' and their softmaxes p, q,
 *
 *     mean_i BCE(q_i, y_i) - lambda MI(p, q) + beta mean_i ||z'_i - z_i||_1
 *
 * A weight of 0 leaves its term out. Terms, unweighted: `bce` (or `ce`; nats), `mi` (nats, of the batch, larger is better,
 * ln min(C, m) at most), `l1` (or `mse`).
 *
 * Throws an `ArgumentError` for weights that are negative or not finite, or an unknown choice.
 */
export function mimaeAT(options: MimaeATOptions = {}): Objective {
  const settings = { ...MIMAE_AT_DEFAULTS, ...options };
  for (const name of ['lambda', 'beta'] as const) {
    checkWeight('mimae-at', name, settings[name]);
  }
  for (const [name, choices] of Object.entries(CHOICES))
    checkChoice('mimae-at', name, settings[name as keyof typeof CHOICES], choices);
  return {
    name: 'mimae-at',
    options: { ...settings },
    needs: { natural: true, adversarial: true },
    classification: {
      term: settings.classification,
      atUniform: settings.classification === 'bce' ? boostedCrossEntropyAtUniform : crossEntropyAtUniform,
    },
    maxima: { mi: maximumMutualInformation },
    loss: (logits, labels) => {
      const natural = needed('mimae-at', 'natural', logits);
      const adversarial = needed('mimae-at', 'adversarial', logits);
      const { loss, classification, mutualInformation, pairing } = mimaeLoss(natural, adversarial, labels, settings);
      const terms = { [settings.classification]: classification, mi: mutualInformation, [settings.pairing]: pairing };
      return { total: loss, terms };
    },
  };
}
