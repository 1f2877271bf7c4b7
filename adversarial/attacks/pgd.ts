import { noGrad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { add, clamp } from '../../engine/ops/elementwise.js';
import { reshape, slice } from '../../engine/ops/movement.js';
import { rand, randn } from '../../engine/ops/random.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import { Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { misclassified, targetedMisclassified } from '../criteria.js';
import { inEvalMode, type Model } from '../model.js';
import type { Attack, AttackRandom, RecordedAttack, Watched } from './attack.js';
import { checkBall, checkLength, type BallStep, type ClipOptions, type Norm } from './ball.js';
import { checkBits, gridSteps, onGrid } from './grid.js';
import { checkBatch, inputGradient, sampleCrossEntropy, type AttackLoss } from './input-gradient.js';
import { l1Start, l1StartNumbers, l1Step } from './l1.js';
import { l2Start, l2StartNumbers, l2Step } from './l2.js';
import { linfStep, type LinfStep } from './linf.js';
import { targetedCrossEntropy } from './losses.js';
import { perSample, type Draw } from './rows.js';
import { worstOf } from './worst.js';

/**
 * Projected gradient descent: Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards deep learning models resistant to adversarial
 * attacks", ICLR 2018; without a random start it is the basic iterative method of Kurakin, Goodfellow and Bengio, 2017.
 *
 *     a_0     = x                                           start 'none'
 *             = clip(x + u), u uniform in [-eps, eps)       start 'uniform', for evaluation
 *             = x + 0.001 n, n normal; not clipped          start 'normal', for training (TRADES, MART, MIMAE-AT)
 *     a_{k+1} = clip(min(max(a_k + stepSize * sign(grad_a loss(f(a_k), y)), x - eps), x + eps))
 *
 * That is within an Linf ball; `l2.ts` and `l1.ts` have the steps and the starts 'uniform' within the others. The last iterate counts,
 * whatever its loss.
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
export interface PgdOptions extends PgdBudget, ClipOptions, Partial<AttackRandom>, Watched {
  /** The ball's norm; 'linf' unless told. */
  readonly norm?: Norm;
  /** 'uniform' unless told. */
  readonly start?: PgdStart;
  /** How often to start anew, at another point; each sample keeps its worst end. 1 unless told. */
  readonly restarts?: number;
  /** What the steps raise; unless told the cross-entropy, or {@link targetedCrossEntropy} where there are targets. */
  readonly loss?: AttackLoss;
  /** Classes to draw the samples to, i32 `[m]`; restarts then look for these instead of any class but the true one. */
  readonly targets?: Tensor;
  /**
   * Bits for each element, 8 for PNG files: every point is moved to the nearest multiples of 1 / (2^bits - 1) within the ball, and gradients
   * are taken there. Of natural images that are such multiples, the results are then too. For Linf balls and data in [0, 1].
   */
  readonly quantize?: number;
}

/** What the options of an attack with settings leave out: what belongs to one batch. */
export type BatchOptions = keyof AttackRandom | keyof Watched | 'targets';

/**
 * Adversarial versions of images `x` `[m, ...]` (f32, in the range of the data) with classes `labels` (i32 `[m]`), by projected
 * gradient descent. Only records work; memory does not grow with the number of steps. The model runs in evaluation mode and gets
 * its modes back; parameters, gradients and running statistics stay as they are. Random starts come from the option `generator`, or else
 * the device's own stream for starts. Each sample takes a whole number of its blocks, so cutting the same samples into other batches
 * gives each the same start; and with `samples` those of its number, wherever it is.
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

/** {@link pgd} with settings, which are checked at once; throws as it does. */
export function pgdAttack(options: Omit<PgdOptions, BatchOptions>): RecordedAttack {
  checkPgdOptions('pgd', options);
  return {
    settings: pgdSettings('pgd', options),
    warnings: pgdWarnings(options),
    run: (model, x, labels, random) => pgd(model, x, labels, { ...options, ...random }),
  };
}

/** What a report says of an attack that is a kind of `pgd`. */
export function pgdSettings(attack: string, options: Omit<PgdOptions, BatchOptions>): Attack['settings'] {
  const { eps, stepSize, steps, start = 'uniform', norm = 'linf', restarts = 1, quantize } = options;
  const from = typeof start === 'string' ? start : 'given';
  const common = { attack, norm, eps, stepSize, steps, start: from };
  return { ...common, ...(restarts > 1 && { restarts }), ...(quantize !== undefined && { quantize }) };
}

/** What is doubtful about the settings of an attack that is a kind of `pgd`. */
export function pgdWarnings(options: PgdBudget): string[] {
  const warning = budgetWarning(options);
  return warning === undefined ? [] : [warning];
}

/** What `pgd` does once its options are known to be good; eps and step size may change from run to run of a compiled function. */
export function ascend(
  model: Model,
  x: Tensor,
  labels: Tensor,
  step: LinfStep,
  options: Omit<PgdOptions, 'eps' | 'stepSize'>,
): Tensor {
  const { device } = x;
  const { start, targets, norm = 'linf', restarts = 1, steps, quantize, onPoint } = options;
  const { loss = targets ? targetedCrossEntropy(targets) : sampleCrossEntropy } = options;
  const criterion = targets ? targetedMisclassified(targets) : misclassified;
  const rounded = (point: Tensor, images: Tensor): Tensor =>
    quantize === undefined ? point : onGrid(point, images, quantize, { norm, eps: numbers(step).eps });
  return device.scope(() =>
    inEvalMode(model, () => {
      const take = (from: Tensor, images: Tensor, classes: Tensor): Tensor => {
        const gradient = inputGradient(model, from, classes, loss);
        const next = noGrad(device, () => rounded(stepBy(norm, from, gradient, images, step), images));
        gradient.dispose();
        return next;
      };
      // Within a compiled function `compiled` is `take` itself.
      const compiled = compile(take);
      const next = steps < WORTH_CAPTURING ? take : compiled;
      const starts = startsOf(x, step, options);
      const climb = (number: number): Tensor => {
        let point = noGrad(device, () => rounded(starts(number), x));
        onPoint?.(point);
        for (let taken = 0; taken < steps; taken++) {
          const from = point;
          point = next(from, x, labels);
          onPoint?.(point);
          if (from !== x && from !== start) from.dispose();
        }
        return point;
      };
      try {
        return restarts === 1 ? climb(0) : worstOf(restarts, climb, { model, labels, loss, criterion });
      } finally {
        compiled.dispose();
      }
    }),
  );
}

function stepBy(norm: Norm, point: Tensor, gradient: Tensor, centre: Tensor, step: LinfStep): Tensor {
  if (norm === 'linf') return linfStep(point, gradient, centre, step);
  return (norm === 'l2' ? l2Step : l1Step)(point, gradient, centre, numbers(step));
}

/** A step of fixed lengths; those of L2 and L1 balls are. */
function numbers({ eps, stepSize, ...clip }: LinfStep): BallStep {
  if (typeof eps === 'number' && typeof stepSize === 'number') return { eps, stepSize, ...clip };
  throw new ArgumentError("pgd: eps and stepSize have to be numbers in a ball other than 'linf', or with quantize");
}

/**
 * What is wrong with a budget that cannot reach its own ball: `steps * stepSize` below `eps` leaves part of it out of reach, which
 * flatters the model. Undefined where there is nothing to say.
 */
export function budgetWarning({ eps, stepSize, steps }: PgdBudget): string | undefined {
  const reach = steps * stepSize;
  // A rounding of the step size is not worth a warning.
  if (reach >= eps * (1 - 1e-6)) return undefined;
  const moves = steps === 1 ? `1 step of ${stepSize} moves` : `${steps} steps of ${stepSize} move`;
  return (
    `${moves} ${Number(reach.toPrecision(4))} at most, less than eps ${eps}: the attack cannot reach ` +
    `the edge of its ball; take ${Math.ceil(eps / stepSize)} steps, or steps of ${Number((eps / steps).toPrecision(4))}`
  );
}

/** The options of {@link pgd} checked, and its step with the defaults filled in; errors name the `caller`. */
export function checkPgdOptions(caller: string, options: PgdOptions): LinfStep {
  const { eps, stepSize, steps, start = 'uniform', norm = 'linf', restarts = 1 } = options;
  const { clipMin, clipMax } = checkBall(caller, eps, options);
  checkCount(caller, 'attack steps', steps);
  if (!(stepSize > 0)) {
    throw new ArgumentError(`${caller}: stepSize is ${stepSize}; expected a number above 0, such as eps / 4`);
  }
  // Callers without types can pass anything.
  if (!['linf', 'l2', 'l1'].includes(norm)) {
    throw new ArgumentError(`${caller}: norm is ${norm as string}; expected linf, l2 or l1`);
  }
  if (norm === 'linf') checkLength(caller, 'stepSize', stepSize, clipMax - clipMin);
  if (!(start instanceof Tensor) && !['none', 'uniform', 'normal'].includes(start)) {
    throw new ArgumentError(`${caller}: unknown start '${start}'; there are none, uniform, normal, or a tensor`);
  }
  checkCount(caller, 'restarts', restarts);
  if (restarts > 1 && (start === 'none' || start instanceof Tensor)) {
    throw new ArgumentError(`${caller}: ${restarts} restarts from one start end alike; take the start 'uniform'`);
  }
  if (options.quantize !== undefined) checkQuantize(caller, options.quantize, { norm, stepSize, clipMin, clipMax });
  return { eps, stepSize, clipMin, clipMax };
}

function checkQuantize(
  caller: string,
  bits: number,
  { norm, stepSize, clipMin, clipMax }: Required<ClipOptions> & { readonly norm: Norm; readonly stepSize: number },
): void {
  checkBits(caller, bits);
  if (norm !== 'linf') {
    throw new ArgumentError(
      `${caller}: quantize in a ball of norm ${norm}; expected linf; quantized() takes any attack`,
    );
  }
  if (clipMin !== 0 || clipMax !== 1) {
    throw new ArgumentError(`${caller}: quantize for data in [${clipMin}, ${clipMax}]; expected [0, 1]`);
  }
  const steps = gridSteps(bits);
  if (stepSize * steps <= 0.5) {
    throw new ArgumentError(
      `${caller}: a stepSize of ${stepSize} is rounded to nothing with ${bits} bits; expected more than half of 1 / ${steps}`,
    );
  }
}

/** Where each climb starts, by its number. Random numbers of a sample lie together, so that they do not depend on the batch. */
function startsOf(
  x: Tensor,
  step: LinfStep,
  { start = 'uniform', norm = 'linf', restarts = 1, ...random }: Omit<PgdOptions, 'eps' | 'stepSize'>,
): (climb: number) => Tensor {
  const { device } = x;
  if (start === 'none') return () => x;
  if (start instanceof Tensor) {
    if (start.dtype !== 'f32' || !sameShape(start.shape, x.shape)) {
      throw new ShapeError(
        `pgd: the start is ${start.dtype} ${formatShape(start.shape)}; expected f32 ${formatShape(x.shape)} as the images`,
      );
    }
    return () => start;
  }
  const size = x.size / (x.shape[0] ?? 1);
  const draw = (count: number, numbers: Draw): ((climb: number) => Tensor) => {
    const all = noGrad(device, () => perSample(x, [x.shape[0] ?? 0, restarts * count], random, numbers));
    return (climb) => slice(all, [null, { start: climb * count, end: (climb + 1) * count }]);
  };
  if (start === 'normal') {
    const noise = draw(size, (shape, how) => randn(shape, { ...how, std: NORMAL_START_STD }));
    return (climb) => add(x, reshape(noise(climb), x.shape));
  }
  if (norm === 'l2') {
    const noise = draw(l2StartNumbers(size), randn);
    return (climb) => l2Start(x, noise(climb), numbers(step));
  }
  if (norm === 'l1') {
    const noise = draw(l1StartNumbers(size), rand);
    return (climb) => l1Start(x, noise(climb), numbers(step));
  }
  const noise = draw(size, (shape, how) => rand(shape, { ...how, bound: step.eps }));
  const { clipMin: min, clipMax: max } = step;
  return (climb) => clamp(add(x, reshape(noise(climb), x.shape)), { min, max });
}
