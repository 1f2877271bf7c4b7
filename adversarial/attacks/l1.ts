import { arange } from '../../engine/ops/create.js';
import {
  abs,
  add,
  clamp,
  div,
  ge,
  gt,
  le,
  log,
  logicalAnd,
  logicalNot,
  logicalOr,
  lt,
  mul,
  neg,
  relu,
  sign,
  sub,
  to,
} from '../../engine/ops/elementwise.js';
import { reshape, slice } from '../../engine/ops/movement.js';
import { max, sum } from '../../engine/ops/reduce.js';
import { sort, topk } from '../../engine/ops/sort.js';
import { cumsum } from '../../engine/ops/statistics.js';
import type { Tensor } from '../../engine/tensor.js';
import type { BallStep } from './ball.js';
import { rowsOf } from './rows.js';

/** Share of the elements that a step moves: those with the largest gradients. */
const MOVED = 0.01;

/**
 * Steps within an L1 ball, the sparse steps of Tramer and Boneh, "Adversarial training and robustness for multiple perturbations",
 * NeurIPS 2019 (SLIDE): of the elements that the range lets move as the gradient g says, those 1 % with the largest |g|, all by the same
 * length, stepSize together; then back into the ball and the range.
 */
export function l1Step(point: Tensor, gradient: Tensor, centre: Tensor, step: BallStep): Tensor {
  const [a, g, x] = [point, gradient, centre].map(rowsOf) as [Tensor, Tensor, Tensor];
  const { clipMin: min, clipMax: max_ } = step;
  const stuck = logicalOr(logicalAnd(ge(a, max_), gt(g, 0)), logicalAnd(le(a, min), lt(g, 0)));
  const free = mul(abs(g), to(logicalNot(stuck), 'f32'));
  const [, d = 0] = free.shape;
  const count = Math.max(1, Math.ceil(MOVED * d));
  const least = slice(topk(free, count).values, [null, { start: count - 1, end: count }]);
  const chosen = mul(sign(g), to(logicalAnd(ge(free, least), gt(free, 0)), 'f32'));
  const together = clamp(sum(abs(chosen), [1], { keepDim: true }), { min: 1 });
  const moved = sub(add(a, mul(div(chosen, together), step.stepSize)), x);
  return reshape(clamp(add(x, l1Projection(moved, step.eps)), { min, max: max_ }), centre.shape);
}

/**
 * The nearest rows `[m, d]` whose L1 norm is at most `eps`: Duchi, Shalev-Shwartz, Singer and Chandra, "Efficient projections onto the
 * l1-ball for learning in high dimensions", ICML 2008, figure 1. With magnitudes u in falling order, all shrink by
 * theta = max(0, max_j (u_1 + ... + u_j - eps) / j).
 */
export function l1Projection(rows: Tensor, eps: number): Tensor {
  const { device } = rows;
  const [, d = 0] = rows.shape;
  const magnitudes = abs(rows);
  const total = cumsum(sort(magnitudes, 1, { descending: true }).values, 1);
  const ranks = to(arange(1, d + 1, { device }), 'f32');
  const theta = relu(max(div(sub(total, eps), ranks), [1], { keepDim: true }));
  return mul(sign(rows), relu(sub(magnitudes, theta)));
}

/** How many uniform numbers {@link l1Start} takes for images of `d` elements. */
export function l1StartNumbers(d: number): number {
  return 2 * d + 1;
}

/**
 * Where the start 'uniform' is: in a direction that is uniform by the L1 norm, at a distance that is uniform in [0, eps). The `numbers`
 * in [0, 1) are `[m, 2 d + 1]`: of magnitudes, of signs, of the distance.
 */
export function l1Start(images: Tensor, numbers: Tensor, step: BallStep): Tensor {
  const x = rowsOf(images);
  const [, d = 0] = x.shape;
  const part = (start: number, end: number): Tensor => slice(numbers, [null, { start, end }]);
  const exponential = neg(log(sub(1, part(0, d))));
  const signs = sub(1, mul(to(ge(part(d, 2 * d), 0.5), 'f32'), 2));
  const length = clamp(sum(exponential, [1], { keepDim: true }), { min: 1e-12 });
  const offset = mul(mul(exponential, signs), div(mul(part(2 * d, 2 * d + 1), step.eps), length));
  return reshape(clamp(add(x, offset), { min: step.clipMin, max: step.clipMax }), images.shape);
}
