import { noGrad } from '../../engine/autograd.js';
import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { full, zeros, zerosLike } from '../../engine/ops/create.js';
import { add, clamp, div, lt, maximum, minimum, mul, sign, sub, where } from '../../engine/ops/elementwise.js';
import { reshape } from '../../engine/ops/movement.js';
import { rand } from '../../engine/ops/random.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import type { AttackRandom } from '../attacks/attack.js';
import type { ClipOptions } from '../attacks/ball.js';
import { checkBatch, inputGradient } from '../attacks/input-gradient.js';
import { perImage, perSample, rowsOf } from '../attacks/rows.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import { softLogitMargin } from './soft-logit-margin.js';

/** Options of {@link searchMargins}. */
export interface MarginSearchOptions extends ClipOptions, Partial<AttackRandom> {
  /** Radius of the Linf ball in which the direction of each sample is looked for: f32 `[m]`, above 0, `maxEps` at most. */
  readonly eps: Tensor;
  /** How far out the boundary is looked for, in units of the data. */
  readonly maxEps: number;
  /** Steps of projected gradient descent, each of 2.5 eps / steps. */
  readonly steps: number;
  /** Halvings of the interval that the margin is in, from 0 to `maxEps` at first. */
  readonly searchSteps: number;
  /** Which samples to look at, bool `[m]`; all unless told. The others keep their images, and have margin 0. */
  readonly among?: Tensor;
}

/** What {@link searchMargins} finds. */
export interface FoundMargins {
  /** Images at the boundary, of the shape of the images. */
  readonly images: Tensor;
  /** Their Linf distance from the natural ones, but for clipping: f32 `[m]`, from 0 to `maxEps`. */
  readonly margins: Tensor;
}

/** The whole way of the descent, in radii: enough to cross the ball from side to side. */
const WAY = 2.5;

/**
 * AN-PGD: Ding, Sharma, Lui and Huang, "MMA training", ICLR 2020, algorithm 1, within Linf balls. Projected gradient descent raises the
 * soft logit margin of images `x` `[m, ...]` with i32 classes `labels` within a ball of each sample's own eps, from a uniform start; then a
 * bisection finds where, along the perturbation it ended with, the soft logit margin crosses 0.
 *
 * The descent sees the model in evaluation mode, the bisection in the mode that it is in, as in the published code: in training mode, each
 * of its `searchSteps` passes goes by the batch's statistics and moves the running ones. (There the batch is the recognised samples
 * alone, and a last pass looks at what was found; here it is the whole batch, the others unperturbed.) Images are kept in the range of
 * the data, where the published code clips them in the bisection only. Only records work; nothing has a graph.
 *
 * Throws an `ArgumentError` for a `maxEps` that is not above 0, or steps that are no integers from 1 up; a `ShapeError` or `DTypeError` for
 * tensors that do not fit.
 */
export function searchMargins(model: Model, x: Tensor, labels: Tensor, options: MarginSearchOptions): FoundMargins {
  const { device } = x;
  check(x, labels, options);
  return device.scope(() =>
    noGrad(device, () => {
      const { eps, among, clipMin: min = 0, clipMax: max = 1 } = options;
      const radius = perImage(eps, x.shape);
      const end = inEvalMode(model, () => descend(model, x, labels, radius, options));
      const found = div(sub(end, x), radius);
      const unit = among ? where(perImage(among, x.shape), found, zeros([], { device })) : found;
      const along = (distance: Tensor): Tensor => clamp(add(x, mul(perImage(distance, x.shape), unit)), { min, max });
      const isInside = (point: Tensor): Tensor => lt(softLogitMargin(logitsOf(model, point), labels), 0);
      const distance = bisect((at) => isInside(along(at)), options);
      const margins = among ? where(among, distance, zerosLike(distance)) : distance;
      return { images: along(margins), margins };
    }),
  );
}

/** Projected gradient descent on the soft logit margin with an eps of each sample's own, `radius` `[m, 1, ...]`. */
function descend(model: Model, x: Tensor, labels: Tensor, radius: Tensor, options: MarginSearchOptions): Tensor {
  const { device } = x;
  const { steps, clipMin: min = 0, clipMax: max = 1 } = options;
  const [lowest, highest] = [sub(x, radius), add(x, radius)];
  const step = mul(radius, WAY / steps);
  const noise = perSample(x, rowsOf(x).shape, options, (shape, how) => rand(shape, { ...how, bound: 1 }));
  let point = clamp(add(x, mul(radius, reshape(noise, x.shape))), { min, max });
  for (let taken = 0; taken < steps; taken++) {
    const from = point;
    point = device.scope(() => {
      const gradient = inputGradient(model, from, labels, softLogitMargin);
      const moved = add(from, mul(step, sign(gradient)));
      return clamp(minimum(maximum(moved, lowest), highest), { min, max });
    });
    from.dispose();
  }
  return point;
}

/** The middle of the interval of distances `[m]` in which `isInside` changes, after all halvings; looks at `eps` first. */
function bisect(isInside: (distance: Tensor) => Tensor, { eps, maxEps, searchSteps }: MarginSearchOptions): Tensor {
  const { device } = eps;
  let [low, high] = [zerosLike(eps), full(eps.shape, maxEps, { device })];
  let distance = eps;
  for (let halved = 0; halved < searchSteps; halved++) {
    const inside = isInside(distance);
    [low, high] = [where(inside, distance, low), where(inside, high, distance)];
    distance = mul(add(low, high), 0.5);
  }
  return distance;
}

function check(x: Tensor, labels: Tensor, { eps, among, maxEps, steps, searchSteps }: MarginSearchOptions): void {
  checkBatch('searchMargins', x, labels);
  if (!(maxEps > 0 && maxEps < Infinity)) {
    throw new ArgumentError(`searchMargins: maxEps is ${maxEps}; expected a finite number above 0`);
  }
  for (const [name, count] of Object.entries({ steps, searchSteps })) {
    if (!Number.isInteger(count) || count < 1) {
      throw new ArgumentError(`searchMargins: ${name} is ${count}; expected an integer from 1 up`);
    }
  }
  for (const [name, tensor] of Object.entries({ eps, among })) {
    if (!tensor || sameShape(tensor.shape, labels.shape)) continue;
    throw new ShapeError(
      `searchMargins: ${name} has shape ${formatShape(tensor.shape)}; expected one value for each sample, ${formatShape(labels.shape)}`,
    );
  }
}
