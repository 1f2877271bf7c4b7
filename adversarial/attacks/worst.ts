import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { eq, gt, logicalAnd, logicalNot, logicalOr, to, where } from '../../engine/ops/elementwise.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Criterion } from '../criteria.js';
import { logitsOf, type Model } from '../model.js';
import type { AttackLoss } from './input-gradient.js';
import { perImage } from './rows.js';

/** How several versions of the same samples are compared. */
export interface Comparison {
  readonly model: Model;
  readonly labels: Tensor;
  readonly loss: AttackLoss;
  /** When the model counts as fooled. */
  readonly criterion: Criterion;
}

/** The worst of `count` versions, sample by sample: one that fools the model, and of two alike the one of higher loss. */
export function worstOf(count: number, version: (number: number) => Tensor, comparison: Comparison): Tensor {
  const { model, labels, loss, criterion } = comparison;
  const { device } = labels;
  const judge = (point: Tensor): { point: Tensor; fooled: Tensor; value: Tensor } =>
    noGrad(device, () => {
      const logits = logitsOf(model, point);
      const value = loss(logits, labels);
      if (!sameShape(value.shape, labels.shape)) {
        throw new ArgumentError(
          `pgd: the loss gives ${formatShape(value.shape)}; restarts need one value for each sample, ${formatShape(labels.shape)}`,
        );
      }
      return { point, fooled: criterion(logits, labels), value };
    });
  let worst = judge(version(0));
  for (let done = 1; done < count; done++) {
    const other = judge(version(done));
    const before = worst;
    worst = noGrad(device, () => {
      const alike = eq(to(other.fooled, 'i32'), to(before.fooled, 'i32'));
      const newly = logicalAnd(other.fooled, logicalNot(before.fooled));
      const worse = logicalOr(newly, logicalAnd(alike, gt(other.value, before.value)));
      return {
        point: where(perImage(worse, other.point.shape), other.point, before.point),
        fooled: logicalOr(before.fooled, other.fooled),
        value: where(worse, other.value, before.value),
      };
    });
  }
  return worst.point;
}
