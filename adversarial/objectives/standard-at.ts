import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { crossEntropyAtUniform, needed, type Objective } from './objective.js';

/**
 * Standard adversarial training: the mean cross-entropy of the adversarial images alone. Madry, Makelov, Schmidt, Tsipras and
 * Vladu, "Towards deep learning models resistant to adversarial attacks", ICLR 2018. Terms: `ce`.
 */
export function standardAT(): Objective {
  return {
    name: 'standard-at',
    options: {},
    needs: { natural: false, adversarial: true },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    loss: (logits, labels) => {
      const ce = crossEntropy(needed('standard-at', 'adversarial', logits), labels);
      return { total: ce, terms: { ce } };
    },
  };
}
