import { enableGrad, grad, noGrad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import { ArgumentError } from '../../engine/errors.js';
import { arange, full, zeros } from '../../engine/ops/create.js';
import { abs, add, clamp, div, eq, ge, lt, mul, sub, to, where } from '../../engine/ops/elementwise.js';
import { oneHot } from '../../engine/ops/indexing.js';
import { concat, reshape, slice, unsqueeze } from '../../engine/ops/movement.js';
import { argmax, sum } from '../../engine/ops/reduce.js';
import { topk } from '../../engine/ops/sort.js';
import { norm } from '../../engine/ops/statistics.js';
import { formatShape } from '../../engine/shape.js';
import { keep, type Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import type { HostedAttack, Watched } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch } from './input-gradient.js';
import { perImage, rowsOf } from './rows.js';

/**
 * DeepFool: Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep neural networks", CVPR 2016. Without
 * a bound, each sample goes over the nearest boundary of the model made linear at the point a where it is, again and again:
 *
 *     w_k = grad f_k(a) - grad f_l(a),   k* = argmin_{k != l} |f_k(a) - f_l(a)| / ||w_k||
 *
 * All samples of a batch go at once, each until its class changes; those that have arrived stay where they are.
 */

/** Options of {@link deepfool}; the range matters to the variant of torchattacks alone. */
export interface DeepFoolOptions extends ClipOptions, Watched {
  /**
   * 'original' unless told, the authors' code: from the class that the model gives, r += (distance + 1e-4) w / ||w|| until the class of
   * x + (1 + overshoot) r changes, not clipped. 'torchattacks': from the true class, a = clip(a + (1 + overshoot) distance w / ||w||), and
   * a sample that is misclassified stays as it is.
   */
  readonly variant?: 'original' | 'torchattacks';
  /** How far past the boundary, as a share of the way; 0.02 unless told. */
  readonly overshoot?: number;
  /** 50 unless told. */
  readonly maxIterations?: number;
  /** Ends the attack between two iterations; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Classes with the largest logits that the variant 'original' looks at, the first among them; 10 unless told. */
  readonly candidates?: number;
}

/** What {@link deepfool} gives. */
export interface DeepFoolResult {
  /** Of the images' shape. The variant 'original' may leave the range of the data. */
  readonly images: Tensor;
  /** Steps that each sample took, i32 `[m]`. */
  readonly iterations: Tensor;
  /** The class that the model gives to each image in the end, i32 `[m]`. */
  readonly labels: Tensor;
}

/**
 * Images of another class near the images `x` `[m, ...]` (f32) with classes `labels` (i32 `[m]`, which the variant 'original' does not
 * look at). Reads one number for each iteration. The model runs in evaluation mode and gets its modes back.
 *
 * @throws ArgumentError for options outside their domain or fewer than two classes, ShapeError or DTypeError for a batch that is none
 */
export async function deepfool(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: DeepFoolOptions = {},
): Promise<DeepFoolResult> {
  const { variant = 'original', overshoot = 0.02, maxIterations = 50, candidates = 10 } = options;
  const clip = checkOptions(options);
  checkBatch('deepfool', x, labels);
  const { device } = x;
  const evaluated = <T>(work: () => T): T => device.scope(() => inEvalMode(model, () => noGrad(device, work)));
  const order = evaluated(() => {
    const logits = logitsOf(model, x);
    const [, classes = 0] = logits.shape;
    if (logits.rank !== 2 || classes < 2) {
      throw new ArgumentError(`deepfool: the model gives ${formatShape(logits.shape)}; needs [m, C], C at least 2`);
    }
    return keep(
      variant === 'original' ? topk(logits, Math.min(candidates, classes), 1).indices : ownFirst(labels, classes),
    );
  });
  const move = (from: Tensor, way: Way): Tensor => {
    const rows = rowsOf(from);
    if (variant === 'original') return add(rows, mul(way.direction, add(way.distance, 1e-4)));
    const moved = add(rows, mul(way.direction, mul(way.distance, 1 + overshoot)));
    return clamp(moved, { min: clip.clipMin, max: clip.clipMax });
  };
  /** The images at a state: a perturbation, or the images themselves. */
  const imagesAt = (state: Tensor, images: Tensor): Tensor =>
    variant === 'original' ? add(images, mul(state, 1 + overshoot)) : state;
  const step = compile((state: Tensor, iterations: Tensor, images: Tensor, classes: Tensor) => {
    const way = wayOut(model, imagesAt(state, images), classes);
    return noGrad(device, () => {
      const next = where(perImage(way.active, images.shape), reshape(move(state, way), images.shape), state);
      // A forward pass more, where without it the last iteration would find nothing to do after all of its backward passes.
      const left = sum(to(unmoved(logitsOf(model, imagesAt(next, images)), classes), 'u32'));
      return { state: next, iterations: add(iterations, reshape(to(way.active, 'i32'), [images.shape[0] ?? 0])), left };
    });
  });
  let state = evaluated(() => keep(variant === 'original' ? zeros(x.shape, { device }) : add(x, 0)));
  let iterations = evaluated(() => keep(zeros([x.shape[0] ?? 0], { device, dtype: 'i32' })));
  const show = (): void => {
    if (options.onPoint) device.scope(() => options.onPoint?.(noGrad(device, () => imagesAt(state, x))));
  };
  try {
    show();
    for (let done = 0; done < maxIterations; done++) {
      options.signal?.throwIfAborted();
      const next = device.scope(() => {
        const made = inEvalMode(model, () => step(state, iterations, x, order));
        return { state: keep(made.state), iterations: keep(made.iterations), left: keep(made.left) };
      });
      for (const each of [state, iterations]) each.dispose();
      ({ state, iterations } = next);
      show();
      const left = await next.left.item().finally(() => {
        next.left.dispose();
      });
      if (left === 0) break;
    }
    return evaluated(() => {
      const images = imagesAt(state, x);
      return { images: add(images, 0), iterations: add(iterations, 0), labels: argmax(logitsOf(model, images), 1) };
    });
  } finally {
    step.dispose();
    for (const each of [state, iterations, order]) each.dispose();
  }
}

/**
 * {@link deepfool} with settings, which are checked at once; the variant 'torchattacks' unless told, which keeps to the range of the data as
 * it goes. Images of the variant 'original' are clipped to it in the end, and may be back on their own side then. Without a bound it is
 * how far images move that says something, not how many are fooled. Throws as `deepfool` does.
 */
export function deepfoolAttack(options: Omit<DeepFoolOptions, 'signal' | keyof Watched> = {}): HostedAttack {
  const { clipMin: min, clipMax: max } = checkOptions(options);
  const { variant = 'torchattacks', overshoot = 0.02, maxIterations = 50 } = options;
  return {
    hosted: true,
    settings: { attack: 'deepfool', variant, overshoot, maxIterations },
    warnings: [],
    run: async (model, x, labels, { signal }) => {
      const { images, iterations, labels: ends } = await deepfool(model, x, labels, { ...options, variant, signal });
      const clipped = noGrad(x.device, () => clamp(images, { min, max }));
      for (const each of [images, iterations, ends]) each.dispose();
      return clipped;
    },
  };
}

/** The way to the nearest boundary: `[m, 1]` and `[m, d]`; and which samples are still on this side of it, bool `[m, 1]`. */
interface Way {
  readonly distance: Tensor;
  readonly direction: Tensor;
  readonly active: Tensor;
}

/** Larger than any distance, and its square still a number. */
const FAR = 1e18;

/** From the classes in the first column of `order` (i32 `[m, K]`) to the nearest of the others. */
function wayOut(model: Model, point: Tensor, order: Tensor): Way {
  const { device } = point;
  return enableGrad(device, () => {
    const leaf = point.detach().requireGrad();
    const logits = logitsOf(model, leaf);
    const [m = 0, count = 0] = order.shape;
    const [, classes = 0] = logits.shape;
    const column = (j: number): Tensor => reshape(slice(order, [null, { start: j, end: j + 1 }]), [m]);
    const own = oneHot(column(0), classes);
    let distance = full([m, 1], FAR, { device });
    let direction = noGrad(device, () => zeros(rowsOf(point).shape, { device }));
    for (let j = 1; j < count; j++) {
      // The gradient of f_k - f_l, in one pass for each rank of k.
      const difference = sub(oneHot(column(j), classes), own);
      const [gradient] = grad(logits, [leaf], { gradOutput: difference });
      if (!gradient) throw new ArgumentError('deepfool: the model has no gradient');
      [distance, direction] = noGrad(device, () => {
        const w = rowsOf(gradient);
        const length = clamp(norm(w, { axes: [1], keepDim: true }), { min: 1 / FAR });
        const away = div(abs(sum(mul(logits, difference), [1], { keepDim: true })), length);
        const nearer = lt(away, distance);
        return [where(nearer, away, distance), where(nearer, div(w, length), direction)];
      });
    }
    return { distance, direction, active: unmoved(logits, order) };
  });
}

/** Which samples still have the class of the first column of `order`, bool `[m, 1]`. */
function unmoved(logits: Tensor, order: Tensor): Tensor {
  return eq(unsqueeze(argmax(logits, 1), -1), slice(order, [null, { end: 1 }]));
}

/** Each label, then all other classes in their order: `[m, C]`. */
function ownFirst(labels: Tensor, classes: number): Tensor {
  const own = unsqueeze(labels, -1);
  const others = arange(0, classes - 1, { device: labels.device });
  return concat([own, add(others, to(ge(others, own), 'i32'))], 1);
}

function checkOptions(options: DeepFoolOptions): Required<ClipOptions> {
  const { variant = 'original', overshoot = 0.02, maxIterations = 50, candidates = 10 } = options;
  if (!['original', 'torchattacks'].includes(variant)) {
    throw new ArgumentError(`deepfool: unknown variant '${variant}'; there are original and torchattacks`);
  }
  if (!(overshoot >= 0 && overshoot < Infinity)) {
    throw new ArgumentError(`deepfool: overshoot is ${overshoot}; expected a finite number from 0 up, such as 0.02`);
  }
  for (const [name, value, least] of [
    ['maxIterations', maxIterations, 1],
    ['candidates', candidates, 2],
  ] as const) {
    checkCount('deepfool', name, value, least);
  }
  return checkBall('deepfool', 0, options);
}
