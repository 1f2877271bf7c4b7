import type { Tensor } from '../tensor.js';
import { mean, sum } from './reduce.js';

/** How the terms of a loss become the result: their mean, their sum, or the terms themselves. */
export type Reduction = 'mean' | 'sum' | 'none';

/** The terms of a loss reduced as asked. */
export function reduceLoss(terms: Tensor, reduction: Reduction): Tensor {
  switch (reduction) {
    case 'mean':
      return mean(terms);
    case 'sum':
      return sum(terms);
    case 'none':
      return terms;
    default:
      return reduction satisfies never;
  }
}
