import { ShapeError } from '../errors.js';
import { expectDType } from '../op.js';
import { formatShape, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { pairOf, type Pair, type Two } from './pair.js';

/** Options that every windowed pooling has. */
export interface WindowOptions {
  /** The kernel size by default. */
  readonly stride?: Pair;
  /** On each side, at most half the kernel size; 0 by default. */
  readonly padding?: Pair;
  /** Whether sizes round up: a last window that starts inside may reach beyond the padding. False by default. */
  readonly ceilMode?: boolean;
}

/** The windows of a pooling of `[N, C, H, W]`. */
export interface PoolWindow {
  readonly kernel: Two;
  readonly stride: Two;
  readonly padding: Two;
  readonly ceilMode?: boolean;
  /** [N, C, H, W] of the pooled tensor. */
  readonly shape: Shape;
}

/** [N, C, H', W'] of the result. */
export function pooledShape({ kernel, stride, padding, ceilMode = false, shape }: PoolWindow): number[] {
  const extent = (axis: 0 | 1): number => {
    const size = shape[axis + 2] ?? 0;
    const steps = (size + 2 * padding[axis] - kernel[axis]) / stride[axis];
    if (!ceilMode) return Math.floor(steps) + 1;
    const count = Math.ceil(steps) + 1;
    // A window that would start in the padding at the end is none.
    return (count - 1) * stride[axis] >= size + padding[axis] ? count - 1 : count;
  };
  return [shape[0] ?? 0, shape[1] ?? 0, extent(0), extent(1)];
}

/** The windows for `x`. Throws a `ShapeError` or `DTypeError` where `op` cannot have them. */
export function poolWindow(op: string, x: Tensor, kernelSize: Pair, options: WindowOptions): PoolWindow {
  const { stride = kernelSize, padding = 0, ceilMode = false } = options;
  const window = {
    kernel: pairOf(kernelSize),
    stride: pairOf(stride),
    padding: pairOf(padding),
    ...(ceilMode && { ceilMode }),
    shape: x.shape,
  };
  expectDType(op, [x], 'f32', 'f16');
  if (x.rank !== 4) throw new ShapeError(`${op}: input has shape ${formatShape(x.shape)}; expected [N, C, H, W]`);
  const whole = (values: readonly number[], least: number): boolean =>
    values.every((value) => Number.isInteger(value) && value >= least);
  const fits = whole(window.kernel, 1) && whole(window.stride, 1) && whole(window.padding, 0);
  if (!fits || window.padding.some((value, axis) => value * 2 > (window.kernel[axis] ?? 0))) {
    throw new ShapeError(
      `${op}: kernel ${formatShape(window.kernel)}, stride ${formatShape(window.stride)}, padding ` +
        `${formatShape(window.padding)}; expected positive integers and padding of at most half the kernel`,
    );
  }
  const pooled = pooledShape(window).slice(2);
  const reaches = window.padding.some(
    (value, axis) => (x.shape[axis + 2] ?? 0) + 2 * value < (window.kernel[axis] ?? 0),
  );
  if (pooled.some((size) => size < 1) || (reaches && !ceilMode)) {
    throw new ShapeError(
      `${op}: kernel ${formatShape(window.kernel)} does not fit input ${formatShape(x.shape)} with padding ${formatShape(window.padding)}`,
    );
  }
  return window;
}
