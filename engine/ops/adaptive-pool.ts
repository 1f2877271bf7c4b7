/** Pooling to a given size: window o of a line of n places and m windows is [floor(o n / m), ceil((o + 1) n / m)), as PyTorch's. */
import { ArgumentError, ShapeError } from '../errors.js';
import { expectDType } from '../op.js';
import { formatShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { avgPool2d } from './avg-pool.js';
import { tensor } from './create.js';
import { indexSelect } from './indexing.js';
import { matmul } from './matmul.js';
import { maxPool2d } from './max-pool.js';
import { transpose } from './movement.js';
import { mean } from './reduce.js';
import type { Two } from './pair.js';

/** A size to pool to; null keeps the axis as it is. */
export type OutputSize = number | null | readonly [number | null, number | null];

/** How many places and windows each axis has. */
function sizesOf(op: string, x: Tensor, outputSize: OutputSize): { from: Two; to: Two } {
  expectDType(op, [x], 'f32', 'f16');
  const [, , height = 0, width = 0] = x.shape;
  if (x.rank !== 4 || height === 0 || width === 0) {
    throw new ShapeError(
      `${op}: input has shape ${formatShape(x.shape)}; expected [N, C, H, W] with H and W from 1 up`,
    );
  }
  const [rows, columns] = Array.isArray(outputSize) ? outputSize : [outputSize, outputSize];
  const to: Two = [rows ?? height, columns ?? width];
  if (!to.every((size) => Number.isInteger(size) && size >= 1)) {
    throw new ArgumentError(`${op}: output size ${formatShape(to)}; expected integers from 1 up, or null`);
  }
  return { from: [height, width], to };
}

function windowOf(o: number, from: number, to: number): { start: number; end: number } {
  return { start: Math.floor((o * from) / to), end: Math.ceil(((o + 1) * from) / to) };
}

/** The kernel of windows that all have one size and do not overlap, if they do. */
function evenKernel({ from, to }: { from: Two; to: Two }): Two | undefined {
  const even = from[0] % to[0] === 0 && from[1] % to[1] === 0;
  return even ? [from[0] / to[0], from[1] / to[1]] : undefined;
}

/** Means of `x` `[N, C, H, W]` to `[N, C, ...outputSize]`. Throws a `ShapeError` or `ArgumentError` for sizes that cannot be. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  const sizes = sizesOf('adaptiveAvgPool2d', x, outputSize);
  const { from, to } = sizes;
  if (to[0] === 1 && to[1] === 1) return mean(x, [2, 3], { keepDim: true });
  const kernel = evenKernel(sizes);
  if (kernel) return avgPool2d(x, kernel);
  // A mean over uneven windows is a product with a matrix of their weights, along each axis.
  const weights = (axis: 0 | 1): Tensor => {
    const values = new Float32Array(to[axis] * from[axis]);
    for (let o = 0; o < to[axis]; o++) {
      const { start, end } = windowOf(o, from[axis], to[axis]);
      values.fill(1 / (end - start), o * from[axis] + start, o * from[axis] + end);
    }
    return tensor(values, { device: x.device, shape: [to[axis], from[axis]] });
  };
  return matmul(weights(0), matmul(x, transpose(weights(1))));
}

/** Maxima of `x` `[N, C, H, W]` to `[N, C, ...outputSize]`; of equal ones the first. Throws as `adaptiveAvgPool2d` does. */
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  const sizes = sizesOf('adaptiveMaxPool2d', x, outputSize);
  const kernel = evenKernel(sizes);
  if (kernel) return maxPool2d(x, kernel);
  // Windows are brought to one size by repeating their last place, which never comes before the first of equal elements.
  const longest = ([0, 1] as const).map((axis) => longestWindow(sizes.from[axis], sizes.to[axis]));
  const evened = ([0, 1] as const).reduce((moved, axis) => {
    const [from, to, length] = [sizes.from[axis], sizes.to[axis], longest[axis] ?? 1];
    const places = Int32Array.from({ length: to * length }, (_, at) => {
      const { start, end } = windowOf(Math.floor(at / length), from, to);
      return Math.min(start + (at % length), end - 1);
    });
    return indexSelect(moved, axis + 2, tensor(places, { device: x.device, dtype: 'i32' }));
  }, x);
  return maxPool2d(evened, [longest[0] ?? 1, longest[1] ?? 1]);
}

function longestWindow(from: number, to: number): number {
  const lengths = Array.from({ length: to }, (_, o) => windowOf(o, from, to)).map(({ start, end }) => end - start);
  return Math.max(...lengths);
}
