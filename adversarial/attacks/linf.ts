import attackStepSource from '../../shaders/attack_step.wgsl';
import { ShapeError } from '../../engine/errors.js';
import { defineKernel, floatWord, strideWorkgroups, type Scalar } from '../../engine/kernel.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';

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
