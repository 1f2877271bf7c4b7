import { enableGrad, grad } from '../../engine/autograd.js';
import { DTypeError, ShapeError } from '../../engine/errors.js';
import { onesLike } from '../../engine/ops/create.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { formatShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import { logitsOf, type Model } from '../model.js';

/**
 * What an attack raises: logits `[m, C]` and i32 labels `[m]` to one value for each sample, `[m]`, or to their sum. (With a mean,
 * gradients would shrink as the batch grows.)
 */
export type AttackLoss = (logits: Tensor, labels: Tensor) => Tensor;

/** The loss of an attack unless told: the cross-entropy of each sample. */
export const sampleCrossEntropy: AttackLoss = (logits, labels) => crossEntropy(logits, labels, { reduction: 'none' });

/**
 * The gradient of the attack's loss, summed, with respect to the images at `point`, and nothing else: no gradient of a weight is computed.
 * Runs in the mode that the model is in.
 */
export function inputGradient(model: Model, point: Tensor, labels: Tensor, loss: AttackLoss): Tensor {
  return point.device.scope(() => lossAt(model, point, labels, loss).gradient);
}

/** A point as an attack sees it: the logits, the loss, and the gradient of its sum with respect to the images. None has a graph. */
export interface LossAt {
  readonly logits: Tensor;
  readonly value: Tensor;
  readonly gradient: Tensor;
}

/** The attack's loss at `point` and its gradient, in the mode that the model is in. */
export function lossAt(model: Model, point: Tensor, labels: Tensor, loss: AttackLoss): LossAt {
  const { device } = point;
  return device.scope(() =>
    enableGrad(device, () => {
      const leaf = point.detach().requireGrad();
      const logits = logitsOf(model, leaf);
      const value = loss(logits, labels);
      const [gradient] = grad(value, [leaf], { gradOutput: onesLike(value) });
      if (!gradient) throw new ShapeError('inputGradient: the loss has no gradient');
      return { logits: logits.detach(), value: value.detach(), gradient };
    }),
  );
}

/** Throws a typed error unless `x` is a batch of f32 images and `labels` its i32 classes. */
export function checkBatch(attack: string, x: Tensor, labels: Tensor): void {
  if (x.dtype !== 'f32' || labels.dtype !== 'i32') {
    throw new DTypeError(`${attack}: got ${x.dtype} images and ${labels.dtype} labels; expected f32 and i32`);
  }
  if (x.rank < 2 || x.size === 0 || labels.rank !== 1 || labels.size !== x.shape[0]) {
    throw new ShapeError(
      `${attack}: images ${formatShape(x.shape)} with labels ${formatShape(labels.shape)}; expected [m, ...] and [m], m at least 1`,
    );
  }
}
