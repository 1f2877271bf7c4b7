import { noGrad } from '../../engine/autograd.js';
import { compile, type Compiled } from '../../engine/compile.js';
import type { Device } from '../../engine/device.js';
import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { full, zeros } from '../../engine/ops/create.js';
import {
  abs,
  add,
  clamp,
  div,
  eq,
  ge,
  gt,
  le,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  minimum,
  mul,
  sign,
  sub,
  to,
  where,
} from '../../engine/ops/elementwise.js';
import { reshape } from '../../engine/ops/movement.js';
import { rand, randn } from '../../engine/ops/random.js';
import { argmax, max } from '../../engine/ops/reduce.js';
import { norm as lengthOf } from '../../engine/ops/statistics.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import type { Model } from '../model.js';
import type { AttackRandom } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { carry, release, type Carried } from './carried.js';
import { lossAt, sampleCrossEntropy, type AttackLoss, type LossAt } from './input-gradient.js';
import { dlrLoss } from './losses.js';
import { perImage, perSample, rowsOf } from './rows.js';

/**
 * Auto-PGD: Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks", ICML 2020,
 * algorithm 1, with the details of the published code. Projected gradient ascent with momentum whose step, 2 eps at first, is halved for a
 * sample at fixed checkpoints where its loss rose too seldom since the last one, or where it reached no new best though the step stayed; it
 * then goes on from its best point:
 *
 *     z_k     = Proj(a_k + step direction(g_k)),   direction: the sign (Linf), or g / ||g|| (L2)
 *     a_{k+1} = Proj(a_k + w (z_k - a_k) + (1 - w) (a_k - a_{k-1})),   w = 0.75, and 1 in the first iteration
 */

/** Options of `apgd`. */
export interface ApgdOptions extends ClipOptions, Partial<AttackRandom> {
  /** The ball's norm; 'linf' unless told. */
  readonly norm?: 'linf' | 'l2';
  /** Radius of the ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** Iterations; 100 unless told. */
  readonly steps?: number;
  /** What is raised: the cross-entropy 'ce' unless told, the difference of logits ratio 'dlr', or a loss that gives one value a sample. */
  readonly loss?: 'ce' | 'dlr' | AttackLoss;
  /** Share of the iterations since the last checkpoint in which the loss has to rise; 0.75 unless told. */
  readonly rho?: number;
  /** Passes over which gradients are averaged, for a model that draws random numbers (expectation over transformation); 1 unless told. */
  readonly passes?: number;
  /** A point to start from, in place of a random one. */
  readonly start?: Tensor;
}

/** What `apgd` gives, for images `[m, ...]`. */
export interface ApgdResult {
  /** The last point of each sample that was misclassified, or where there is none, the one of highest loss. */
  readonly images: Tensor;
  /** The points of highest loss. */
  readonly best: Tensor;
  /** Their losses, `[m]`. */
  readonly bestLoss: Tensor;
  /** Whether no point was misclassified, bool `[m]`. */
  readonly robust: Tensor;
  /** The steps in the end, `[m]`. */
  readonly stepSize: Tensor;
}

/** What every sample carries from iteration to iteration; images, then single numbers `[m]`. */
const CARRIED = [
  'point',
  'previous',
  'gradient',
  'best',
  'bestGradient',
  'adversarial',
  'robust',
  // The loss at the point.
  'value',
  'bestLoss',
  // Iterations since the last checkpoint in which the loss rose.
  'rises',
  'stepSize',
  // The best loss at the last checkpoint, and whether the step was halved there.
  'bestBefore',
  'halved',
] as const;

type State = Readonly<Record<(typeof CARRIED)[number], Tensor>>;

/** What every iteration changes; the rest changes at checkpoints. */
type Changed = Omit<State, 'stepSize' | 'bestBefore' | 'halved'>;

/** Part of an iteration that is the step; the rest is momentum. */
const STEP_PART = 0.75;

/** Keeps lengths that are divided by from 0. */
const TINY = 1e-12;

/**
 * The iterations after which steps may be halved: 22 % of them at first, then 3 % of all fewer each time, down to 6 %.
 *
 * @throws ArgumentError unless steps is an integer from 1 up
 */
export function apgdCheckpoints(steps: number): number[] {
  checkCount('apgd', 'steps', steps);
  const part = (share: number): number => Math.max(Math.trunc(share * steps), 1);
  const checkpoints: number[] = [];
  let wait = part(0.22);
  for (let at = wait; at <= steps; at += wait) {
    checkpoints.push(at);
    wait = Math.max(wait - part(0.03), part(0.06));
  }
  return checkpoints;
}

/** Options of `apgd`, checked. */
export interface ClimbSettings extends Required<ClipOptions> {
  readonly norm: 'linf' | 'l2';
  readonly eps: number;
  readonly steps: number;
  readonly loss: AttackLoss;
  readonly rho: number;
  readonly passes: number;
}

/** One ascent: its state lives from iteration to iteration, outside of any scope. */
export class Climb {
  readonly #model: Model;
  readonly #x: Tensor;
  readonly #labels: Tensor;
  readonly #settings: ClimbSettings;
  readonly #iterate: Compiled<Tensor[], Changed>;
  readonly #checkpoints: ReadonlySet<number>;
  #state: State;
  #done = 0;
  #checked = 0;

  constructor(
    model: Model,
    x: Tensor,
    labels: Tensor,
    settings: ClimbSettings,
    { start, ...random }: Pick<ApgdOptions, 'start' | keyof AttackRandom>,
  ) {
    this.#model = model;
    this.#x = x;
    this.#labels = labels;
    this.#settings = settings;
    this.#checkpoints = new Set(apgdCheckpoints(settings.steps));
    this.#state = this.#kept(() => begin(model, x, labels, startOf(x, settings, start, random), settings));
    this.#iterate = compile((...tensors: Tensor[]) => {
      const [images, classes, part, ...carried] = tensors as [Tensor, Tensor, Tensor, ...Tensor[]];
      const state = Object.fromEntries(CARRIED.map((name, index) => [name, carried[index]])) as State;
      return advance(model, images, classes, part, state, settings);
    });
  }

  get device(): Device {
    return this.#x.device;
  }

  /** One iteration; false once all are done. */
  advance(): boolean {
    if (this.#done === this.#settings.steps) return false;
    const { device } = this.#x;
    const from = this.#state;
    this.#done++;
    const changed = this.#kept(() => {
      const part = full([], this.#done === 1 ? 1 : STEP_PART, { device });
      return this.#iterate(this.#x, this.#labels, part, ...CARRIED.map((name) => from[name]));
    });
    this.#become({ ...from, ...changed });
    if (!this.#checkpoints.has(this.#done)) return true;
    const since = this.#done - this.#checked;
    this.#checked = this.#done;
    const before = this.#state;
    this.#become({ ...before, ...this.#kept(() => reconsider(before, since, this.#settings)) });
    return true;
  }

  /** What was found so far. The caller's scope owns it. */
  result(): ApgdResult {
    const { best, bestLoss, robust, stepSize, adversarial } = this.#state;
    return this.#x.device.scope(() =>
      noGrad(this.#x.device, () => ({
        images: where(perImage(robust, this.#x.shape), best, adversarial),
        best: add(best, 0),
        bestLoss: add(bestLoss, 0),
        robust: logicalAnd(robust, robust),
        stepSize: add(stepSize, 0),
      })),
    );
  }

  dispose(): void {
    this.#iterate.dispose();
    release(this.#state);
  }

  #kept<T extends Carried>(work: () => T): T {
    return carry(this.#x.device, this.#model, work);
  }

  #become(next: State): void {
    release(this.#state, next);
    this.#state = next;
  }
}

function begin(model: Model, x: Tensor, labels: Tensor, start: Tensor, settings: ClimbSettings): State {
  const { device } = x;
  const [m = 0] = x.shape;
  const { logits, value, gradient } = look(model, start, labels, settings);
  if (!sameShape(value.shape, labels.shape)) {
    throw new ArgumentError(
      `apgd: the loss gives ${formatShape(value.shape)}; expected one value for each sample, ${formatShape(labels.shape)}`,
    );
  }
  // Each its own tensor, since a state's are disposed of one by one.
  const copy = (tensor: Tensor): Tensor => add(tensor, 0);
  return {
    point: copy(start),
    previous: copy(start),
    gradient,
    best: copy(start),
    bestGradient: copy(gradient),
    adversarial: copy(start),
    robust: eq(argmax(logits, 1), labels),
    // As the published code has it, in which the first loss is compared with one not yet written.
    value: zeros([m], { device }),
    bestLoss: value,
    rises: zeros([m], { device }),
    stepSize: full([m], 2 * settings.eps, { device }),
    bestBefore: copy(value),
    halved: ge(zeros([m], { device }), 0),
  };
}

function advance(
  model: Model,
  x: Tensor,
  labels: Tensor,
  part: Tensor,
  state: State,
  settings: ClimbSettings,
): Changed {
  const { device, shape } = x;
  const { point, previous, gradient, robust } = state;
  const next = noGrad(device, () => {
    const step = mul(directionOf(gradient, settings), perImage(state.stepSize, shape));
    const aim = project(add(point, step), x, settings);
    const moved = add(add(point, mul(sub(aim, point), part)), mul(sub(point, previous), sub(1, part)));
    return project(moved, x, settings);
  });
  const seen = look(model, next, labels, settings);
  return noGrad(device, () => {
    const right = eq(argmax(seen.logits, 1), labels);
    const better = gt(seen.value, state.bestLoss);
    const betterImage = perImage(better, shape);
    return {
      point: next,
      // A copy: results of a captured function are its own.
      previous: add(point, 0),
      gradient: seen.gradient,
      best: where(betterImage, next, state.best),
      bestGradient: where(betterImage, seen.gradient, state.bestGradient),
      adversarial: where(perImage(right, shape), state.adversarial, next),
      robust: logicalAnd(robust, right),
      value: seen.value,
      bestLoss: where(better, seen.value, state.bestLoss),
      rises: add(state.rises, to(gt(seen.value, state.value), 'f32')),
    };
  });
}

/** Halves the steps of the samples that need it, `since` iterations after the last checkpoint. */
function reconsider(
  state: State,
  since: number,
  { rho }: ClimbSettings,
): Omit<State, keyof Changed> & Pick<State, 'point' | 'gradient' | 'rises'> {
  const { shape } = state.point;
  const seldom = le(state.rises, rho * since);
  const noBetter = logicalAnd(logicalNot(state.halved), ge(state.bestBefore, state.bestLoss));
  const halve = logicalOr(seldom, noBetter);
  const back = perImage(halve, shape);
  return {
    point: where(back, state.best, state.point),
    gradient: where(back, state.bestGradient, state.gradient),
    rises: mul(state.rises, 0),
    stepSize: where(halve, mul(state.stepSize, 0.5), state.stepSize),
    bestBefore: add(state.bestLoss, 0),
    halved: halve,
  };
}

/** The loss at a point, its gradient averaged over the passes; logits and loss are those of the last. */
function look(model: Model, point: Tensor, labels: Tensor, { loss, passes }: ClimbSettings): LossAt {
  let seen = lossAt(model, point, labels, loss);
  for (let done = 1; done < passes; done++) {
    const before = seen.gradient;
    const next = lossAt(model, point, labels, loss);
    seen = { ...next, gradient: noGrad(point.device, () => add(before, next.gradient)) };
  }
  if (passes === 1) return seen;
  const { gradient } = seen;
  return { ...seen, gradient: noGrad(point.device, () => div(gradient, passes)) };
}

function directionOf(gradient: Tensor, { norm }: ClimbSettings): Tensor {
  if (norm === 'linf') return sign(gradient);
  const rows = rowsOf(gradient);
  return reshape(div(rows, add(lengths(rows), TINY)), gradient.shape);
}

function project(point: Tensor, x: Tensor, { norm, eps, clipMin, clipMax }: ClimbSettings): Tensor {
  if (norm === 'linf') {
    return clamp(minimum(maximum(point, sub(x, eps)), add(x, eps)), { min: clipMin, max: clipMax });
  }
  const rows = rowsOf(sub(point, x));
  const length = lengths(rows);
  const within = mul(rows, div(clamp(length, { max: eps }), add(length, TINY)));
  return clamp(add(x, reshape(within, x.shape)), { min: clipMin, max: clipMax });
}

function lengths(rows: Tensor): Tensor {
  return lengthOf(rows, { axes: [1], keepDim: true });
}

/** x + eps t / ||t||, t uniform (Linf, where ||t|| is the largest element) or normal (L2), and clipped. */
function startOf(x: Tensor, settings: ClimbSettings, given: Tensor | undefined, random: Partial<AttackRandom>): Tensor {
  if (given) {
    if (given.dtype === 'f32' && sameShape(given.shape, x.shape)) return given;
    throw new ShapeError(
      `apgd: the start is ${given.dtype} ${formatShape(given.shape)}; expected f32 ${formatShape(x.shape)} as the images`,
    );
  }
  const { norm, eps, clipMin: min, clipMax: max_ } = settings;
  const { shape } = rowsOf(x);
  const drawn =
    norm === 'linf'
      ? perSample(x, shape, random, (of, how) => rand(of, { ...how, bound: 1 }))
      : perSample(x, shape, random, randn);
  const length = norm === 'linf' ? max(abs(drawn), [1], { keepDim: true }) : lengths(drawn);
  const offset = mul(drawn, div(eps, add(length, TINY)));
  return clamp(add(x, reshape(offset, x.shape)), { min, max: max_ });
}

/**
 * Options of an attack of this name, complete.
 *
 * @throws ArgumentError for options outside their domain
 */
export function checkOptions(attack: string, options: Omit<ApgdOptions, keyof AttackRandom>): ClimbSettings {
  const { norm = 'linf', eps, steps = 100, loss = 'ce', rho = 0.75, passes = 1 } = options;
  // Callers without types can pass anything.
  if (!['linf', 'l2'].includes(norm)) throw new ArgumentError(`${attack}: norm is ${norm}; expected linf or l2`);
  const clip = checkBall(attack, eps, options);
  checkCount(attack, 'steps', steps);
  checkCount(attack, 'passes', passes);
  if (!(rho >= 0 && rho <= 1)) throw new ArgumentError(`${attack}: rho is ${rho}; expected a share, 0 to 1`);
  if (typeof loss === 'string' && !['ce', 'dlr'].includes(loss)) {
    throw new ArgumentError(`${attack}: unknown loss '${loss}'; there are ce, dlr, or a function of logits and labels`);
  }
  const raised = loss === 'ce' ? sampleCrossEntropy : loss === 'dlr' ? dlrLoss : loss;
  return { norm, eps, steps, loss: raised, rho, passes, ...clip };
}
