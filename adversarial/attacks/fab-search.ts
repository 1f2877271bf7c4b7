import { noGrad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import { ArgumentError } from '../../engine/errors.js';
import { full } from '../../engine/ops/create.js';
import {
  abs,
  add,
  clamp,
  div,
  eq,
  logicalAnd,
  logicalNot,
  lt,
  minimum,
  mul,
  sub,
  where,
} from '../../engine/ops/elementwise.js';
import { oneHot } from '../../engine/ops/indexing.js';
import { concat, reshape, slice } from '../../engine/ops/movement.js';
import { argmax, max, sum } from '../../engine/ops/reduce.js';
import { norm as lengthOf } from '../../engine/ops/statistics.js';
import { keep, type Tensor } from '../../engine/tensor.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import { stepToHyperplane } from './hyperplane.js';
import { carry, release } from './carried.js';
import { lossAt } from './input-gradient.js';
import { rankedOthers } from './ranked-others.js';
import { perImage, rowsOf } from './rows.js';
import { FAB_NOT_FOUND, type FabResult, type FabSettings as Settings, type FabTargetedOptions } from './fab.js';

/** The work of `fabTargeted`, which loads it when it is called. */
export async function searchFab(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: FabTargetedOptions,
  settings: Settings,
): Promise<FabResult> {
  const { device } = x;
  const evaluated = <T>(work: () => T): T => device.scope(() => inEvalMode(model, () => noGrad(device, work)));
  const classes = evaluated(() => {
    const logits = logitsOf(model, x);
    const [, count = 0] = logits.shape;
    if (logits.rank !== 2 || count < 2) {
      throw new ArgumentError(`fabTargeted: the model has ${count} classes; needs at least 2`);
    }
    return rankedOthers(logits, settings.targets).map(keep);
  });
  const step = compile((...tensors: Tensor[]) => {
    const [images, truth, target, point, nearest, distance] = tensors as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    return advance(model, { images, truth, target }, { point, nearest, distance }, settings);
  });
  let state: State = carry(device, model, () => {
    const right = eq(argmax(logitsOf(model, x), 1), labels);
    const far = full([x.shape[0] ?? 0], FAB_NOT_FOUND, { device });
    return { point: add(x, 0), nearest: add(x, 0), distance: where(right, far, mul(far, 0)) };
  });
  try {
    for (const target of classes) {
      const ended = state;
      state = { ...ended, ...carry(device, model, () => ({ point: add(x, 0) })) };
      release(ended, state);
      for (let done = 1; done <= settings.steps; done++) {
        const before = state;
        state = carry(device, model, () => step(x, labels, target, before.point, before.nearest, before.distance));
        release(before);
        if (done % ITERATIONS_AHEAD !== 0) continue;
        await device.sync();
        options.signal?.throwIfAborted();
      }
    }
    const { nearest, distance } = state;
    return evaluated(() => ({ images: add(nearest, 0), distances: add(distance, 0) }));
  } finally {
    step.dispose();
    release(state);
    for (const target of classes) target.dispose();
  }
}

const ALPHA_MAX = 0.1;
const OVERSHOOT = 1.05;
const BACKWARD = 0.9;

/** Iterations between two waits for the GPU. */
const ITERATIONS_AHEAD = 10;

/** What every sample carries from iteration to iteration: the nearest is of the misclassified images so far. */
type State = Readonly<Record<'point' | 'nearest' | 'distance', Tensor>>;

function advance(
  model: Model,
  { images, truth, target }: { readonly images: Tensor; readonly truth: Tensor; readonly target: Tensor },
  { point, nearest, distance }: State,
  settings: Settings,
): State {
  const { device, shape } = images;
  const difference = (logits: Tensor, labels: Tensor): Tensor => {
    const classes = logits.shape[1] ?? 0;
    return sum(mul(logits, sub(oneHot(target, classes), oneHot(labels, classes))), [1]);
  };
  const { value, gradient } = lossAt(model, point, truth, difference);
  return noGrad(device, () => {
    const [a, x, w] = [point, images, gradient].map(rowsOf) as [Tensor, Tensor, Tensor];
    const clip = { min: settings.clipMin, max: settings.clipMax };
    const gap = reshape(value, [a.shape[0] ?? 0, 1]);
    // <w, p> - b, where the hyperplane through the boundary has b = <w, a> - (f_t - f_y)(a).
    const fromImage = add(sum(mul(w, sub(x, a)), [1], { keepDim: true }), gap);
    const steps = stepToHyperplane(concat([a, x]), concat([w, w]), concat([gap, fromImage]), settings);
    const m = a.shape[0] ?? 0;
    const [own, home] = [slice(steps, [{ end: m }]), slice(steps, [{ start: m }])];
    const [ownLength, homeLength] = [own, home].map((step) => clamp(lengthBy(step, settings), { min: 1e-8 })) as [
      Tensor,
      Tensor,
    ];
    const alpha = minimum(div(ownLength, add(ownLength, homeLength)), ALPHA_MAX);
    const mixed = add(mul(add(a, mul(own, OVERSHOOT)), sub(1, alpha)), mul(add(x, mul(home, OVERSHOOT)), alpha));
    const moved = clamp(mixed, clip);
    const movedImages = reshape(moved, shape);
    const wrong = logicalNot(eq(argmax(logitsOf(model, movedImages), 1), truth));
    const away = reshape(lengthBy(sub(moved, x), settings), [m]);
    const nearer = logicalAnd(wrong, lt(away, distance));
    const back = add(x, mul(sub(moved, x), BACKWARD));
    return {
      point: where(perImage(wrong, shape), reshape(back, shape), movedImages),
      nearest: where(perImage(nearer, shape), movedImages, nearest),
      distance: where(nearer, away, distance),
    };
  });
}

/** Lengths of rows, `[m, 1]`. */
function lengthBy(rows: Tensor, { norm }: Settings): Tensor {
  return norm === 'linf' ? max(abs(rows), [1], { keepDim: true }) : lengthOf(rows, { axes: [1], keepDim: true });
}
