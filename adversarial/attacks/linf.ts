import attackStepSource from '../../shaders/attack_step.wgsl';
import { enableGrad, grad } from '../../engine/autograd.js';
import { ArgumentError, DTypeError, ShapeError } from '../../engine/errors.js';
import { defineKernel, floatWord, strideWorkgroups, type Scalar } from '../../engine/kernel.js';
import { onesLike } from '../../engine/ops/create.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import { logitsOf, type Model } from '../model.js';

/**
 * What the sign-gradient attacks within an Linf ball share: for images x, a point a and the gradient g of a loss at a,
 *
 *     Proj(a) = clip(min(max(a, x - eps), x + eps), clipMin, clipMax)
 *     a <- Proj(a + stepSize * sign(g)),  sign(0) = 0
 *
 * The ball and the box are both boxes, so the order of the two projections does not matter.
 */

const attackStepKernel = defineKernel({
  name: 'attack_step',
  source: attackStepSource,
  bindings: ['read', 'read', 'read', 'write'],
});

/**
 * What an attack raises: logits `[m, C]` and i32 labels `[m]` to one value for each sample, `[m]`, or to their sum. (With a mean,
 * gradients would shrink as the batch grows.)
 */
export type AttackLoss = (logits: Tensor, labels: Tensor) => Tensor;

/** The loss of an attack unless told: the cross-entropy of each sample. */
export const sampleCrossEntropy: AttackLoss = (logits, labels) => crossEntropy(logits, labels, { reduction: 'none' });

/** The range of the data, which adversarial images keep to. */
export interface ClipOptions {
  /** 0 unless told. */
  readonly clipMin?: number;
  /** 1 unless told. */
  readonly clipMax?: number;
}

/** One step of a sign-gradient attack. */
export interface LinfStep {
  /** Radius of the ball, in units of the data: 8 / 255, not 8. */
  readonly eps: Scalar;
  /** How far every element moves, in the same units. */
  readonly stepSize: Scalar;
  readonly clipMin: number;
  readonly clipMax: number;
}

/**
 * Proj(point + stepSize * sign(gradient)) around `centre`, as one dispatch and without a graph. All three tensors are f32 and of
 * one shape; throws a `ShapeError` otherwise. `eps` and `stepSize` are uniforms: changing them compiles nothing.
 */
export function linfStep(point: Tensor, gradient: Tensor, centre: Tensor, step: LinfStep): Tensor {
  const { shape, device } = centre;
  for (const tensor of [point, gradient, centre]) {
    if (tensor.dtype !== 'f32' || !sameShape(tensor.shape, shape)) {
      throw new ShapeError(
        `linfStep: got a tensor of ${tensor.dtype} ${formatShape(tensor.shape)}; expected f32 ${formatShape(shape)}`,
      );
    }
  }
  const result = device.empty(shape);
  const vectors = Math.ceil(result.size / 4);
  if (vectors === 0) return result;
  device.dispatch({
    kernel: attackStepKernel,
    buffers: [point.range, gradient.range, centre.range, result.range],
    uniforms: [vectors, ...[step.stepSize, step.eps, step.clipMin, step.clipMax].map(floatWord)],
    workgroups: strideWorkgroups(vectors, device.caps),
  });
  return result;
}

/**
 * The gradient of the attack's loss, summed, with respect to the images at `point`, and nothing else: no gradient of a weight is computed.
 * Runs in the mode that the model is in.
 */
export function inputGradient(model: Model, point: Tensor, labels: Tensor, loss: AttackLoss): Tensor {
  const { device } = point;
  return device.scope(() =>
    enableGrad(device, () => {
      const leaf = point.detach().requireGrad();
      const raised = loss(logitsOf(model, leaf), labels);
      const [gradient] = grad(raised, [leaf], { gradOutput: onesLike(raised) });
      if (!gradient) throw new ShapeError('inputGradient: the loss has no gradient');
      return gradient;
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

/** Throws an `ArgumentError` unless eps and the range of the data make sense together. */
export function checkBall(
  attack: string,
  eps: number,
  { clipMin = 0, clipMax = 1 }: ClipOptions,
): Required<ClipOptions> {
  if (!(Number.isFinite(clipMin) && Number.isFinite(clipMax) && clipMin < clipMax)) {
    throw new ArgumentError(
      `${attack}: clipMin ${clipMin} and clipMax ${clipMax} span no range; give clipMin < clipMax`,
    );
  }
  if (!(eps >= 0)) throw new ArgumentError(`${attack}: eps is ${eps}; expected 0 or more, such as 8 / 255`);
  checkLength(attack, 'eps', eps, clipMax - clipMin);
  return { clipMin, clipMax };
}

/** Throws where `value` is longer than the range of the data: 8 is a slip where 8 / 255 is meant. */
export function checkLength(attack: string, name: string, value: number, range: number): void {
  if (value <= range) return;
  const instead = value <= 255 ? `; ${value} / 255 is ${(value / 255).toPrecision(4)}` : '';
  throw new ArgumentError(
    `${attack}: ${name} is ${value}, more than the range of the data, ${range}; it is in units of the data${instead}`,
  );
}
