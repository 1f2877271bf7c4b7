import { mmaFixedLoss } from './losses.js';
import { crossEntropyAtUniform, needed, type Objective } from './objective.js';

/**
 * The skeleton of max-margin adversarial training at a fixed eps: Ding, Sharma, Lui and Huang, "MMA training: direct input space margin
 * maximization through adversarial training", ICLR 2020, in the form of Atsague, Fakorede and Tian 2021, table 1:
 *
 *     mean_i CE(z'_i, y_i) where the natural logits z_i give the label, CE(z_i, y_i) elsewhere
 *
 * Terms: `ce` (nats).
 */
export function mmaFixed(): Objective {
  return {
    name: 'mma-fixed',
    options: {},
    needs: { natural: true, adversarial: true },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    loss: (logits, labels) => {
      const natural = needed('mma-fixed', 'natural', logits);
      const ce = mmaFixedLoss(natural, needed('mma-fixed', 'adversarial', logits), labels);
      return { total: ce, terms: { ce } };
    },
  };
}
