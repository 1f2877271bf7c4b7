import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import {
  checkLabelSmoothing,
  crossEntropyAtUniform,
  needed,
  type LabelSmoothing,
  type Objective,
} from './objective.js';

/** Options of {@link plain}. */
export type PlainOptions = LabelSmoothing;

/** The defaults of {@link plain}. */
export const PLAIN_DEFAULTS: Required<PlainOptions> = { labelSmoothing: 0 };

/**
 * Training without an adversary: the mean cross-entropy of the natural images. Terms: `ce` (nats).
 *
 * Throws an `ArgumentError` for a `labelSmoothing` outside [0, 1).
 */
export function plain(options: PlainOptions = {}): Objective {
  const settings = { ...PLAIN_DEFAULTS, ...options };
  const { labelSmoothing } = settings;
  checkLabelSmoothing('plain', labelSmoothing);
  return {
    name: 'plain',
    options: { ...settings },
    needs: { natural: true, adversarial: false },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    loss: (logits, labels) => {
      const ce = crossEntropy(needed('plain', 'natural', logits), labels, { labelSmoothing });
      return { total: ce, terms: { ce } };
    },
  };
}
