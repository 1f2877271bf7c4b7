import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { crossEntropyAtUniform, needed, type Objective } from './objective.js';

/** Training without an adversary: the mean cross-entropy of the natural images. Terms: `ce`. */
export function plain(): Objective {
  return {
    name: 'plain',
    options: {},
    needs: { natural: true, adversarial: false },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    loss: (logits, labels) => {
      const ce = crossEntropy(needed('plain', 'natural', logits), labels);
      return { total: ce, terms: { ce } };
    },
  };
}
