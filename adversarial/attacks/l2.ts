import { add, clamp, div, erf, mul, sub } from '../../engine/ops/elementwise.js';
import { reshape, slice } from '../../engine/ops/movement.js';
import { norm } from '../../engine/ops/statistics.js';
import type { Tensor } from '../../engine/tensor.js';
import type { BallStep } from './ball.js';
import { rowsOf } from './rows.js';

/**
 * Steps within an L2 ball, as torchattacks takes them: for images x, a point a and the gradient g of a loss at a, each sample by itself,
 *
 *     z  = a + stepSize g / (||g|| + 1e-10)
 *     a <- clip(x + (z - x) min(1, eps / ||z - x||))
 *
 * Clipping last keeps both bounds, since x is within the range.
 */
export function l2Step(point: Tensor, gradient: Tensor, centre: Tensor, step: BallStep): Tensor {
  const [a, g, x] = [point, gradient, centre].map(rowsOf) as [Tensor, Tensor, Tensor];
  const direction = div(g, add(lengths(g), 1e-10));
  const moved = sub(add(a, mul(direction, step.stepSize)), x);
  return reshape(clipped(add(x, l2Projection(moved, step.eps)), step), centre.shape);
}

/** Rows `[m, d]` no longer than `eps`. */
export function l2Projection(rows: Tensor, eps: number): Tensor {
  return mul(rows, div(eps, maxOf(lengths(rows), eps)));
}

/** How many normal numbers {@link l2Start} takes for images of `d` elements. */
export function l2StartNumbers(d: number): number {
  return d + 1;
}

/**
 * Where the start 'uniform' is: in a direction that is uniform, at a distance that is uniform in (0, eps). (Not uniform in the volume.)
 * The normal `numbers` are `[m, d + 1]`; the last of each row gives the distance, by its distribution function.
 */
export function l2Start(images: Tensor, numbers: Tensor, step: BallStep): Tensor {
  const x = rowsOf(images);
  const [, d = 0] = x.shape;
  const [direction, last] = [slice(numbers, [null, { end: d }]), slice(numbers, [null, { start: d }])];
  const radius = mul(add(erf(mul(last, Math.SQRT1_2)), 1), step.eps / 2);
  const offset = mul(direction, div(radius, maxOf(lengths(direction), 1e-12)));
  return reshape(clipped(add(x, offset), step), images.shape);
}

function lengths(rows: Tensor): Tensor {
  return norm(rows, { axes: [1], keepDim: true });
}

/** The larger of an element and a number that is above 0, or the least that counts as such. */
function maxOf(x: Tensor, least: number): Tensor {
  return clamp(x, { min: Math.max(least, 1e-30) });
}

function clipped(x: Tensor, { clipMin, clipMax }: BallStep): Tensor {
  return clamp(x, { min: clipMin, max: clipMax });
}
