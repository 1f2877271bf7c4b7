import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import {
  checkLabelSmoothing,
  crossEntropyAtUniform,
  needed,
  type LabelSmoothing,
  type Objective,
} from './objective.js';

/** Options of {@link standardAT}. */
export type StandardATOptions = LabelSmoothing;

/** The defaults of {@link standardAT}. */
export const STANDARD_AT_DEFAULTS: Required<StandardATOptions> = { labelSmoothing: 0 };

/**
 * Standard adversarial training: the mean cross-entropy of the adversarial images alone. Madry, Makelov, Schmidt, Tsipras and
 * Vladu, "Towards deep learning models resistant to adversarial attacks", ICLR 2018. Terms: `ce` (nats).
 *
 * Throws an `ArgumentError` for a `labelSmoothing` outside [0, 1).
 */
export function standardAT(options: StandardATOptions = {}): Objective {
  const settings = { ...STANDARD_AT_DEFAULTS, ...options };
  const { labelSmoothing } = settings;
  checkLabelSmoothing('standard-at', labelSmoothing);
  return {
    name: 'standard-at',
    options: { ...settings },
    needs: { natural: false, adversarial: true },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    loss: (logits, labels) => {
      const ce = crossEntropy(needed('standard-at', 'adversarial', logits), labels, { labelSmoothing });
      return { total: ce, terms: { ce } };
    },
  };
}
