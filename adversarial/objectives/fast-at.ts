import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import {
  checkChoice,
  checkLabelSmoothing,
  checkPositive,
  crossEntropyAtUniform,
  needed,
  type LabelSmoothing,
  type Objective,
} from './objective.js';

/** Options of {@link fastAT}. */
export interface FastATOptions extends LabelSmoothing {
  /** Length of the attack's one step as a share of eps, above 0; 1.25 unless told. */
  readonly stepSize?: number;
  /**
   * The mode of the model in the attack's pass: 'train' unless told, as in the published code, where running statistics move by that pass
   * too; 'eval' as other methods have it.
   */
  readonly craftIn?: 'train' | 'eval';
}

/** The defaults of {@link fastAT}: the published code's. */
export const FAST_AT_DEFAULTS: Required<FastATOptions> = { stepSize: 1.25, craftIn: 'train', labelSmoothing: 0 };

/**
 * Fast adversarial training: Wong, Rice and Kolter, "Fast is better than free: revisiting adversarial training", ICLR 2020. The mean
 * cross-entropy of adversarial images that one step of `stepSize` eps makes, from a start that is uniform in the Linf ball (`ffgsm`); the
 * run's own number and size of steps play no part. Terms: `ce` (nats).
 *
 * Throws an `ArgumentError` for a `stepSize` that is not above 0, a `labelSmoothing` outside [0, 1), or an unknown
 * `craftIn`.
 */
export function fastAT(options: FastATOptions = {}): Objective {
  const settings = { ...FAST_AT_DEFAULTS, ...options };
  const { stepSize, craftIn, labelSmoothing } = settings;
  checkPositive('fast-at', 'stepSize', stepSize);
  checkChoice('fast-at', 'craftIn', craftIn, ['train', 'eval']);
  checkLabelSmoothing('fast-at', labelSmoothing);
  return {
    name: 'fast-at',
    options: { ...settings },
    needs: { natural: false, adversarial: true },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    attackPlan: { start: 'uniform', steps: 1, stepSize, craftIn },
    loss: (logits, labels) => {
      const ce = crossEntropy(needed('fast-at', 'adversarial', logits), labels, { labelSmoothing });
      return { total: ce, terms: { ce } };
    },
  };
}
