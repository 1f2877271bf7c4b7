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
import { inEvalMode, logitsOf, type Model } from '../model.js';
import { type ClipOptions } from './ball.js';
import { perImage, rowsOf } from './rows.js';
import type { DeepFoolOptions, DeepFoolResult } from './deepfool.js';

/** The work of `deepfool`, which loads it when it is called. */
export async function searchDeepFool(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: DeepFoolOptions,
  clip: Required<ClipOptions>,
): Promise<DeepFoolResult> {
  const { variant = 'original', overshoot = 0.02, maxIterations = 50, candidates = 10 } = options;
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
