import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { noGrad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import { add, clamp } from '../../engine/ops/elementwise.js';
import { reshape, slice } from '../../engine/ops/movement.js';
import { generatorOf, rand, randn } from '../../engine/ops/random.js';
import { WORDS_PER_BLOCK, type Generator } from '../../engine/random.js';
import { formatShape, sameShape, type Shape } from '../../engine/shape.js';
import { Tensor } from '../../engine/tensor.js';
import { inEvalMode, type Model } from '../model.js';
import {
  checkBall,
  checkBatch,
  checkLength,
  inputGradient,
  linfStep,
  sampleCrossEntropy,
  type AttackLoss,
  type ClipOptions,
  type LinfStep,
} from './linf.js';

/**
 * Projected gradient descent: Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards deep learning models resistant to adversarial
 * attacks", ICLR 2018; without a random start it is the basic iterative method of Kurakin, Goodfellow and Bengio, 2017.
 *
 *     a_0     = x                                           start 'none'
 *             = clip(x + u), u uniform in [-eps, eps)       start 'uniform', for evaluation
 *             = x + 0.001 n, n normal; not clipped          start 'normal', for training (TRADES, MART, MIMAE-AT)
 *     a_{k+1} = clip(min(max(a_k + stepSize * sign(grad_a loss(f(a_k), y)), x - eps), x + eps))
 *
 * The last iterate counts, whatever its loss.
 */

/** Where {@link pgd} starts: one of three rules, or a tensor of the images' shape, which is taken as it is. */
export type PgdStart = 'none' | 'uniform' | 'normal' | Tensor;

/** Capturing a step takes the time of two or three. */
const WORTH_CAPTURING = 4;

/** Standard deviation of the start 'normal', in units of the data. */
export const NORMAL_START_STD = 0.001;

/** How far and how often {@link pgd} steps. */
export interface PgdBudget {
  /** Radius of the ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** Length of a step, in the same units. */
  readonly stepSize: number;
  /** Number of steps, from 1 up. */
  readonly steps: number;
}

/** Options of {@link pgd}. */
export interface PgdOptions extends PgdBudget, ClipOptions {
  /** The ball's norm; 'linf' unless told, and no other yet. */
  readonly norm?: 'linf';
  /** 'uniform' unless told. */
  readonly start?: PgdStart;
  /** Where a random start comes from; the device's own stream for starts unless told. */
  readonly generator?: Generator | undefined;
  /** What the steps raise; the cross-entropy unless told. */
  readonly loss?: AttackLoss;
}

/**
 * Adversarial versions of images `x` `[m, ...]` (f32, in the range of the data) with classes `labels` (i32 `[m]`), by projected
 * gradient descent. Only records work; memory does not grow with the number of steps. The model runs in evaluation mode and gets
 * its modes back; parameters, gradients and running statistics stay as they are. A random start takes a whole number of the
 * generator's blocks for each sample, so cutting the same samples into other batches gives each the same start.
 *
 * Its step is captured and replayed (see `compile`). To attack batch after batch, compile all of it, as the trainer and the evaluation
 * do: `const attack = compile((x, labels) => pgd(model, x, labels, options))`.
 *
 * Throws an `ArgumentError` for an eps below 0 or over the range of the data, a step size that is not above 0 or over that range,
 * steps that are no integer from 1 up, an unknown start or norm; a `ShapeError` or `DTypeError` for a batch that is none.
 */
export function pgd(model: Model, x: Tensor, labels: Tensor, options: PgdOptions): Tensor {
  const step = checkPgdOptions('pgd', options);
  checkBatch('pgd', x, labels);
  return ascend(model, x, labels, step, options);
}

/** What `pgd` does once its options are known to be good; eps and step size may change from run to run of a compiled function. */
export function ascend(
  model: Model,
  x: Tensor,
  labels: Tensor,
  step: LinfStep,
  { start = 'uniform', loss = sampleCrossEntropy, steps, generator }: Omit<PgdOptions, 'eps' | 'stepSize'>,
): Tensor {
  const { device } = x;
  return device.scope(() =>
    inEvalMode(model, () => {
      let point = noGrad(device, () => startPoint(x, start, step, generator));
      const take = (from: Tensor, images: Tensor, classes: Tensor): Tensor => {
        const gradient = inputGradient(model, from, classes, loss);
        const next = linfStep(from, gradient, images, step);
        gradient.dispose();
        return next;
      };
      // Within a compiled function `compiled` is `take` itself.
      const compiled = compile(take);
      const next = steps < WORTH_CAPTURING ? take : compiled;
      try {
        for (let taken = 0; taken < steps; taken++) {
          const from = point;
          point = next(from, x, labels);
          if (from !== x && from !== start) from.dispose();
        }
      } finally {
        compiled.dispose();
      }
      return point;
    }),
  );
}

/**
 * What is wrong with a budget that cannot reach its own ball: `steps * stepSize` below `eps` leaves part of it out of reach, which
 * flatters the model. Undefined where there is nothing to say.
 */
export function budgetWarning({ eps, stepSize, steps }: PgdBudget): string | undefined {
  const reach = steps * stepSize;
  // A rounding of the step size is not worth a warning.
  if (reach >= eps * (1 - 1e-6)) return undefined;
  return (
    `${steps} steps of ${stepSize} move ${Number(reach.toPrecision(4))} at most, less than eps ${eps}: the attack cannot reach ` +
    `the edge of its ball; take ${Math.ceil(eps / stepSize)} steps, or steps of ${Number((eps / steps).toPrecision(4))}`
  );
}

/** The options of {@link pgd} checked, and its step with the defaults filled in; errors name the `caller`. */
export function checkPgdOptions(caller: string, options: PgdOptions): LinfStep {
  const { eps, stepSize, steps, start = 'uniform', norm = 'linf' } = options;
  const { clipMin, clipMax } = checkBall(caller, eps, options);
  if (!Number.isInteger(steps) || steps < 1) {
    throw new ArgumentError(`${caller}: attack steps is ${steps}; expected an integer from 1 up`);
  }
  if (!(stepSize > 0)) {
    throw new ArgumentError(`${caller}: stepSize is ${stepSize}; expected a number above 0, such as eps / 4`);
  }
  checkLength(caller, 'stepSize', stepSize, clipMax - clipMin);
  // Callers without types can pass anything.
  const name: unknown = norm;
  if (name !== 'linf') throw new ArgumentError(`${caller}: norm is ${String(name)}; expected 'linf'`);
  if (!(start instanceof Tensor) && !['none', 'uniform', 'normal'].includes(start)) {
    throw new ArgumentError(`${caller}: unknown start '${start}'; there are none, uniform, normal, or a tensor`);
  }
  return { eps, stepSize, clipMin, clipMax };
}

function startPoint(x: Tensor, start: PgdStart, { eps, clipMin, clipMax }: LinfStep, generator?: Generator): Tensor {
  const { device } = x;
  if (start === 'none') return x;
  if (start instanceof Tensor) {
    if (start.dtype !== 'f32' || !sameShape(start.shape, x.shape)) {
      throw new ShapeError(
        `pgd: the start is ${start.dtype} ${formatShape(start.shape)}; expected f32 ${formatShape(x.shape)} as the images`,
      );
    }
    return start;
  }
  const options = { device, generator: generator ?? generatorOf(device, 'start') };
  if (start === 'normal') {
    return add(
      x,
      perSample(x.shape, (shape) => randn(shape, { ...options, std: NORMAL_START_STD })),
    );
  }
  const noise = perSample(x.shape, (shape) => rand(shape, { ...options, bound: eps }));
  return clamp(add(x, noise), { min: clipMin, max: clipMax });
}

/** Random numbers of a shape, drawn so that each sample (first axis) starts a block of the generator. */
function perSample(shape: Shape, draw: (shape: Shape) => Tensor): Tensor {
  const [m = 0, ...rest] = shape;
  const size = rest.reduce((product, length) => product * length, 1);
  const padded = Math.ceil(size / WORDS_PER_BLOCK) * WORDS_PER_BLOCK;
  const drawn = draw([m, padded]);
  return reshape(padded === size ? drawn : slice(drawn, [null, { end: size }]), shape);
}
