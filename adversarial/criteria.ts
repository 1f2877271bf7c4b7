import { ArgumentError, DTypeError, ShapeError } from '../engine/errors.js';
import { eq, ge, logicalAnd, ne } from '../engine/ops/elementwise.js';
import { max, argmax } from '../engine/ops/reduce.js';
import { softmax } from '../engine/ops/softmax.js';
import { formatShape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';

/**
 * When a model counts as fooled: logits `[m, C]` and i32 labels `[m]` to bool `[m]`. The class that a model gives is that of the largest
 * logit, of equal ones the first.
 */
export type Criterion = (logits: Tensor, labels: Tensor) => Tensor;

/** The class is another than the label. */
export const misclassified: Criterion = (logits, labels) => {
  checkLogits('misclassified', logits, labels);
  return ne(argmax(logits, 1), labels);
};

/**
 * The class is that of `targets` (i32 `[m]`), whatever the label.
 *
 * @throws DTypeError or ShapeError, when called, for targets that are not i32, one for each sample
 */
export function targetedMisclassified(targets: Tensor): Criterion {
  return (logits, labels) => {
    checkLogits('targetedMisclassified', logits, labels);
    checkTargets('targetedMisclassified', targets, labels);
    return eq(argmax(logits, 1), targets);
  };
}

/**
 * The class is another than the label, and the model gives it a `probability` (of the softmax) at least so high.
 *
 * @throws ArgumentError unless the probability is from 0 to 1
 */
export function confidentMisclassified(probability: number): Criterion {
  if (!(probability >= 0 && probability <= 1)) {
    throw new ArgumentError(`confidentMisclassified: probability is ${probability}; expected 0 to 1, such as 0.9`);
  }
  return (logits, labels) => {
    checkLogits('confidentMisclassified', logits, labels);
    return logicalAnd(ne(argmax(logits, 1), labels), ge(max(softmax(logits, 1), [1]), probability));
  };
}

/** Throws a typed error unless `targets` are classes, one for each of the labels. */
export function checkTargets(caller: string, targets: Tensor, labels: Tensor): void {
  if (targets.dtype !== 'i32') throw new DTypeError(`${caller}: targets are ${targets.dtype}; expected i32 classes`);
  if (targets.rank !== 1 || targets.size !== labels.size) {
    throw new ShapeError(
      `${caller}: targets ${formatShape(targets.shape)} for labels ${formatShape(labels.shape)}; expected one for each`,
    );
  }
}

function checkLogits(criterion: string, logits: Tensor, labels: Tensor): void {
  if (logits.rank !== 2 || labels.rank !== 1 || logits.shape[0] !== labels.size) {
    throw new ShapeError(
      `${criterion}: logits ${formatShape(logits.shape)} with labels ${formatShape(labels.shape)}; expected [m, C] and [m]`,
    );
  }
}
