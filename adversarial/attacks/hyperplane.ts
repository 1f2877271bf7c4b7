import { flip } from '../../engine/ops/arrange.js';
import { abs, clamp, div, gt, minimum, mul, neg, sign, sub, where } from '../../engine/ops/elementwise.js';
import { gather } from '../../engine/ops/indexing.js';
import { max } from '../../engine/ops/reduce.js';
import { sort } from '../../engine/ops/sort.js';
import { cumsum } from '../../engine/ops/statistics.js';
import type { Tensor } from '../../engine/tensor.js';

/** Smaller than every weight that counts; keeps what is divided by from 0. */
const TINY = 1e-30;

/**
 * The shortest steps d from points t that end on hyperplanes and within the range: of least ||d||, by the norm, such that
 * <w, t + d> = b and every element of t + d is in [min, max]. Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive
 * boundary attack", ICML 2020, section 2.2. Where a hyperplane misses the box, to the corner that is nearest to it.
 *
 * With c = <w, t> - b, every element goes the way that lowers |c|, as far as lambda g_i and the room r_i up to the box let it, where
 * g_i = 1 (Linf) or |w_i| (L2):
 *
 *     sum_i |w_i| min(lambda g_i, r_i) = |c|
 *
 * The left side is concave and piecewise linear in lambda. Sorted by r_i / g_i, its pieces are those where the first j elements have no
 * room left, and it is the least of them all; so lambda is the largest of what each piece alone would give.
 *
 * @param points t, `[m, d]`
 * @param normals w, `[m, d]`
 * @param offsets c, `[m, 1]`
 * @returns d, `[m, d]`
 */
export function stepToHyperplane(
  points: Tensor,
  normals: Tensor,
  offsets: Tensor,
  { norm, clipMin, clipMax }: { readonly norm: 'linf' | 'l2'; readonly clipMin: number; readonly clipMax: number },
): Tensor {
  const way = neg(mul(sign(normals), sign(offsets)));
  const room = where(gt(way, 0), sub(clipMax, points), sub(points, clipMin));
  const [, d = 0] = points.shape;
  // In units of the largest weight, so that no square of one vanishes. More than all of the room is as much as any more.
  const largest = clamp(max(abs(normals), [1], { keepDim: true }), { min: TINY });
  const weights = div(abs(normals), largest);
  const missing = div(minimum(abs(offsets), mul(largest, 2 * d * (clipMax - clipMin))), largest);
  const reach = norm === 'linf' ? undefined : weights;
  const { values: turns, indices } = sort(reach ? div(room, clamp(reach, { min: TINY })) : room, 1);
  const ordered = gather(weights, 1, indices);
  // For each piece, what the elements before it give, which have no room left, and what the others give for each unit of lambda: added
  // up from their own end, since a difference of sums would lose the small ones.
  const slopes = reach ? mul(ordered, ordered) : ordered;
  const given = cumsum(mul(slopes, turns), 1);
  const before = sub(given, mul(slopes, turns));
  const left = flip(cumsum(flip(slopes, 1), 1), 1);
  const lambda = max(div(sub(missing, before), clamp(left, { min: TINY })), [1], { keepDim: true });
  return mul(way, minimum(reach ? mul(reach, lambda) : lambda, room));
}
