import { enableGrad, grad, noGrad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import { GradError } from '../../engine/errors.js';
import { full, onesLike, zeros } from '../../engine/ops/create.js';
import {
  add,
  div,
  gt,
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
import { logitsOf, type Model } from '../model.js';
import { carry, release, type Carried } from './carried.js';
import { marginLoss } from './losses.js';
import { perImage, rowsOf } from './rows.js';
import { CW_L2_NOT_FOUND, type CwL2Options, type CwL2Result, type CwL2Settings as Settings } from './cw-l2.js';

/** The work of `cwL2`, which loads it when it is called. */
export async function searchCwL2(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: CwL2Options,
  settings: Settings,
): Promise<CwL2Result> {
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
