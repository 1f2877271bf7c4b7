import { boostedCrossEntropy } from '../../engine/ops/boosted-cross-entropy.js';
import { add, mul } from '../../engine/ops/elementwise.js';
import { martDivergence } from './losses.js';
import { boostedCrossEntropyAtUniform, checkWeight, needed, type Objective } from './objective.js';

/** Options of {@link mart}. */
export interface MartOptions {
  /** Weight of the divergence, 0 or more; 5 unless told. (The published code calls it beta.) */
  readonly lambda?: number;
  /** The constants of the published code: 1.0001 and 1e-12 in logarithms, 1.0000001 in the weight; false unless told. */
  readonly martCompat?: boolean;
}

/** The defaults of {@link mart}: the published code's weight for ResNet-18. */
export const MART_DEFAULTS: Required<MartOptions> = { lambda: 5, martCompat: false };

/**
 * MART: Wang, Zou, Yi, Bailey, Ma and Gu, "Improving adversarial robustness requires revisiting misclassified examples", ICLR 2020.
 * With p the natural and q the adversarial softmax,
 *
 *     mean_i BCE(q_i, y_i) + lambda mean_i KL(p_i || q_i) (1 - p_i,y_i)
 *
 * and gradients through p and the weight too. Terms, unweighted: `bce` (nats), `kl` (nats, weighted sample by sample).
 *
 * Throws an `ArgumentError` for a weight that is negative or not finite.
 */
export function mart(options: MartOptions = {}): Objective {
  const settings = { ...MART_DEFAULTS, ...options };
  const { lambda, martCompat } = settings;
  checkWeight('mart', 'lambda', lambda);
  return {
    name: 'mart',
    options: { ...settings },
    needs: { natural: true, adversarial: true },
    classification: { term: 'bce', atUniform: boostedCrossEntropyAtUniform },
    loss: (logits, labels) => {
      const natural = needed('mart', 'natural', logits);
      const adversarial = needed('mart', 'adversarial', logits);
      const bce = boostedCrossEntropy(adversarial, labels, { martCompat });
      const kl = martDivergence(natural, adversarial, labels, { martCompat });
      return { total: add(bce, mul(kl, lambda)), terms: { bce, kl } };
    },
  };
}
