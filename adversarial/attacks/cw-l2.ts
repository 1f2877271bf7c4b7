import { enableGrad, grad, noGrad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import { ArgumentError, GradError } from '../../engine/errors.js';
import { full, onesLike, zeros } from '../../engine/ops/create.js';
import {
  add,
  div,
  gt,
  le,
  log,
  logicalAnd,
  logicalNot,
  logicalOr,
  lt,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  sqrt,
  square,
  sub,
  tanh,
  to,
  where,
} from '../../engine/ops/elementwise.js';
import { sum } from '../../engine/ops/reduce.js';
import type { Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { logitsOf, type Model } from '../model.js';
import type { HostedAttack } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { carry, release, type Carried } from './carried.js';
import { checkBatch } from './input-gradient.js';
import { marginLoss } from './losses.js';
import { perImage, rowsOf } from './rows.js';

/**
 * The L2 attack of Carlini and Wagner, "Towards evaluating the robustness of neural networks", IEEE S&P 2017, section VI, with the details of
 * the authors' code. In variables w without bounds, a(w) = clipMin + (clipMax - clipMin) (tanh(w) + 1) / 2, Adam lowers for each sample
 *
 *     ||a(w) - x||_2^2 + c max(z_y - max_{k != y} z_k + kappa, 0)
 *
 * and c is searched for, from `initialC`: ten times as large until an image is found, then by bisection. What counts is the nearest image
 * found in any of the searches.
 */

/** Options of {@link cwL2}. */
export interface CwL2Options extends ClipOptions {
  /** How far past the boundary an image has to be, in logits; 0 unless told. */
  readonly kappa?: number;
  /** Values of c to try, one after another; 9 unless told. */
  readonly searchSteps?: number;
  /** Steps of Adam for each; 1000 unless told (the authors' code has 10000). */
  readonly maxIterations?: number;
  /** The first c; 0.001 unless told. */
  readonly initialC?: number;
  /** Of Adam; 0.01 unless told. */
  readonly learningRate?: number;
  /** Classes to go to, i32 `[m]`, in place of any other than the label. */
  readonly targets?: Tensor;
  /** Ends the attack between two iterations; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link cwL2} gives, for images `[m, ...]`. */
export interface CwL2Result {
  /** The nearest image found of each sample; the image itself where there is none, or where it is one. */
  readonly images: Tensor;
  /** How far it is, `[m]`: 0 where the image itself is one, {@link CW_L2_NOT_FOUND} where none was found. */
  readonly distances: Tensor;
}

/** The distance where nothing was found. */
export const CW_L2_NOT_FOUND = 1e10;

/** Keeps pixels off the ends of the range, where w would have no bound. */
const INSIDE = 0.999999;

/** Moments of Adam, as its authors have them. */
const [BETA_1, BETA_2, ADAM_EPS] = [0.9, 0.999, 1e-8] as const;

/** A sample whose loss is above this part of what it was a tenth of the iterations ago stops. */
const STALLED = 0.9999;

/** How much c grows while nothing is found. */
const GROWTH = 10;

/** Iterations between two waits for the GPU. */
const ITERATIONS_AHEAD = 10;

/**
 * Images near the images `x` `[m, ...]` (f32, in the range of the data) that the model gives another class than `labels` (i32 `[m]`), or the
 * class aimed at. A sample whose loss has come to rest stops by itself, so what is found for it does not depend on its batch. Nothing in it
 * is random. Reads one number for each tenth of the iterations. The model runs in evaluation mode and gets its modes back.
 *
 * @throws ArgumentError for options outside their domain or fewer than two classes, ShapeError or DTypeError for a batch that is none, and
 * the signal's reason
 */
export async function cwL2(model: Model, x: Tensor, labels: Tensor, options: CwL2Options = {}): Promise<CwL2Result> {
  const settings = checkOptions(options);
  checkBatch('cwL2', x, labels);
  const { device } = x;
  const { searchSteps, maxIterations } = settings;
  const classes = options.targets ?? labels;
  const work = <T extends Carried>(fn: () => T): T => carry(device, model, fn);
  const step = compile((...tensors: Tensor[]) => {
    const state = Object.fromEntries(CARRIED.map((name, index) => [name, tensors[index + 2]])) as State;
    return descend(model, tensors[0] ?? x, tensors[1] ?? classes, state, settings);
  });
  let found = work(() => startOf(model, x, classes, settings));
  let search = work(() => ({
    c: full([x.shape[0] ?? 0], settings.initialC, { device }),
    lower: zeros([x.shape[0] ?? 0], { device }),
    upper: full([x.shape[0] ?? 0], CW_L2_NOT_FOUND, { device }),
  }));
  let adam: Adam | undefined;
  const every = Math.max(1, Math.trunc(maxIterations / 10));
  try {
    for (let tried = 0; tried < searchSteps; tried++) {
      adam = work(() => beginAdam(x, settings));
      for (let done = 1; done <= maxIterations; done++) {
        const before: State = { ...found, ...adam, c: search.c };
        const after: State = { ...before, ...work(() => step(x, classes, ...CARRIED.map((name) => before[name]))) };
        release(before, after);
        const { nearest, distance, c, ...rest } = after;
        [found, adam] = [{ nearest, distance }, rest];
        search = { ...search, c };
        if (done % ITERATIONS_AHEAD === 0) {
          await device.sync();
          options.signal?.throwIfAborted();
        }
        if (done % every !== 0 || done === maxIterations) continue;
        const { left, ...judged } = work(() => judge(rest));
        adam = { ...rest, ...judged };
        release(rest, adam);
        const count = await left.item().finally(() => {
          left.dispose();
        });
        if (count === 0) break;
      }
      const [ended, bounds]: [Adam, Search] = [adam, search];
      search = work(() => narrowed(bounds, ended.succeeded));
      release(bounds);
      release(ended);
      adam = undefined;
    }
    const { nearest, distance } = found;
    return device.scope(() =>
      noGrad(device, () => {
        const far = gt(distance, CW_L2_NOT_FOUND / 2);
        return { images: add(nearest, 0), distances: where(far, distance, sqrt(distance)) };
      }),
    );
  } finally {
    step.dispose();
    for (const each of [found, search, adam ?? {}]) release(each);
  }
}

/** Options of {@link cwL2Attack}. */
export interface CwL2AttackOptions extends Omit<CwL2Options, 'signal' | 'targets'> {
  /** Radius of an L2 ball, in units of the data: what was found beyond it does not count. Unless told, everything does. */
  readonly eps?: number;
}

/** {@link cwL2} with settings, which are checked at once; throws as it does. */
export function cwL2Attack(options: CwL2AttackOptions = {}): HostedAttack {
  const { kappa, searchSteps, maxIterations } = checkOptions(options);
  const { eps } = options;
  if (eps !== undefined) checkBall('cwL2', eps, { ...options, norm: 'l2' });
  return {
    hosted: true,
    settings: { attack: 'cw-l2', ...(eps !== undefined && { norm: 'l2', eps }), kappa, searchSteps, maxIterations },
    warnings: [],
    run: async (model, x, labels, { signal }) => {
      const { images, distances } = await cwL2(model, x, labels, { ...options, signal });
      const within = x.device.scope(() =>
        noGrad(x.device, () => where(perImage(le(distances, eps ?? CW_L2_NOT_FOUND), x.shape), images, x)),
      );
      for (const each of [images, distances]) each.dispose();
      return within;
    },
  };
}

/** What every sample carries from iteration to iteration; images, then single numbers `[m]` but for `time`. */
const CARRIED = [
  // The nearest image found in any search, and the square of its distance.
  'nearest',
  'distance',
  'origin',
  'offset',
  'first',
  'second',
  'succeeded',
  'stopped',
  'loss',
  'previous',
  'time',
  'c',
] as const;

type State = Readonly<Record<(typeof CARRIED)[number], Tensor>>;
type Adam = Omit<State, 'nearest' | 'distance' | 'c'>;

type Search = Readonly<Record<'c' | 'lower' | 'upper', Tensor>>;

interface Settings extends Required<ClipOptions> {
  readonly kappa: number;
  readonly searchSteps: number;
  readonly maxIterations: number;
  readonly initialC: number;
  readonly learningRate: number;
  readonly targeted: boolean;
}

/** How far past the boundary logits are: above 0 on the side that is wanted. */
function past(logits: Tensor, classes: Tensor, { targeted }: Settings): Tensor {
  const margin = marginLoss(logits, classes);
  return targeted ? neg(margin) : margin;
}

function startOf(model: Model, x: Tensor, classes: Tensor, settings: Settings): Pick<State, 'nearest' | 'distance'> {
  const there = gt(past(logitsOf(model, x), classes, settings), settings.kappa);
  const far = full(there.shape, CW_L2_NOT_FOUND, { device: x.device });
  return { nearest: add(x, 0), distance: where(there, mul(far, 0), far) };
}

function beginAdam(x: Tensor, { clipMin, clipMax }: Settings): Adam {
  const { device, shape } = x;
  const [m = 0] = shape;
  const none = (of: readonly number[]): Tensor => zeros(of, { device });
  const scaled = mul(sub(mul(sub(x, clipMin), 2 / (clipMax - clipMin)), 1), INSIDE);
  return {
    origin: mul(log(div(add(scaled, 1), sub(1, scaled))), 0.5),
    offset: none(shape),
    first: none(shape),
    second: none(shape),
    succeeded: gt(none([m]), 0),
    stopped: gt(none([m]), 0),
    loss: none([m]),
    previous: full([m], CW_L2_NOT_FOUND, { device }),
    time: none([]),
  };
}

/** One step of Adam. */
function descend(
  model: Model,
  x: Tensor,
  classes: Tensor,
  state: State,
  settings: Settings,
): Omit<State, 'origin' | 'stopped' | 'previous' | 'c'> {
  const { device, shape } = x;
  const { kappa, learningRate, clipMin, clipMax } = settings;
  const seen = enableGrad(device, () => {
    const offset = state.offset.detach().requireGrad();
    const point = add(mul(add(tanh(add(state.origin, offset)), 1), (clipMax - clipMin) / 2), clipMin);
    const away = sum(square(rowsOf(sub(point, x))), [1]);
    const reached = past(logitsOf(model, point), classes, settings);
    if (!reached.tracksGrad) throw new GradError('cwL2: the model has no gradient with respect to its images');
    const loss = add(away, mul(state.c, relu(sub(kappa, reached))));
    const [gradient] = grad(loss, [offset], { gradOutput: onesLike(loss) });
    if (!gradient) throw new GradError('cwL2: there is no gradient');
    return { point: point.detach(), away: away.detach(), reached: reached.detach(), loss: loss.detach(), gradient };
  });
  const { stopped } = state;
  const there = logicalAnd(logicalNot(stopped), gt(seen.reached, kappa));
  const nearer = logicalAnd(there, lt(seen.away, state.distance));
  const time = add(state.time, 1);
  const first = add(mul(state.first, BETA_1), mul(seen.gradient, 1 - BETA_1));
  const second = add(mul(state.second, BETA_2), mul(square(seen.gradient), 1 - BETA_2));
  const corrected = div(first, sub(1, pow(full([], BETA_1, { device }), time)));
  const spread = add(sqrt(div(second, sub(1, pow(full([], BETA_2, { device }), time)))), ADAM_EPS);
  const moved = sub(state.offset, mul(div(corrected, spread), learningRate));
  const still = perImage(stopped, shape);
  return {
    nearest: where(perImage(nearer, shape), seen.point, state.nearest),
    distance: where(nearer, seen.away, state.distance),
    offset: where(still, state.offset, moved),
    first,
    second,
    succeeded: logicalOr(state.succeeded, there),
    loss: seen.loss,
    time,
  };
}

/** Stops the samples whose loss has come to rest, and counts the others. */
function judge({ stopped, loss, previous }: Adam): { stopped: Tensor; previous: Tensor; left: Tensor } {
  const resting = logicalOr(stopped, gt(loss, mul(previous, STALLED)));
  return { stopped: resting, previous: add(loss, 0), left: sum(to(logicalNot(resting), 'u32')) };
}

/** The next c of each sample: between what was too little and what was enough, or more of it. */
function narrowed({ c, lower, upper }: Search, succeeded: Tensor): Search {
  const enough = where(succeeded, minimum(upper, c), upper);
  const little = where(succeeded, lower, maximum(lower, c));
  const between = mul(add(little, enough), 0.5);
  return {
    lower: little,
    upper: enough,
    c: where(lt(enough, CW_L2_NOT_FOUND / 10), between, mul(c, GROWTH)),
  };
}

function checkOptions(options: CwL2Options): Settings {
  const { kappa = 0, searchSteps = 9, maxIterations = 1000, initialC = 0.001, learningRate = 0.01 } = options;
  for (const [name, value] of Object.entries({ searchSteps, maxIterations })) {
    checkCount('cwL2', name, value);
  }
  for (const [name, value] of Object.entries({ initialC, learningRate })) {
    if (!(value > 0 && value < Infinity)) {
      throw new ArgumentError(`cwL2: ${name} is ${value}; expected a finite number above 0`);
    }
  }
  if (!(kappa >= 0 && kappa < Infinity)) {
    throw new ArgumentError(`cwL2: kappa is ${kappa}; expected a finite number from 0 up`);
  }
  const clip = checkBall('cwL2', 0, options);
  return {
    kappa,
    searchSteps,
    maxIterations,
    initialC,
    learningRate,
    targeted: options.targets !== undefined,
    ...clip,
  };
}
