import { ArgumentError, ShapeError } from '../errors.js';
import { formatShape, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { pad } from './arrange.js';
import { conv2dInputGrad, type ConvPassOptions } from './conv.js';
import { add } from './elementwise.js';
import { reshape } from './movement.js';
import { pairOf, type Pair } from './pair.js';

/** Options of `convTranspose2d`. */
export interface ConvTranspose2dOptions extends ConvPassOptions {
  /** Rows and columns added at the end of the output, each less than the stride or the dilation; 0 by default. */
  readonly outputPadding?: Pair;
}

/**
 * Transposed two-dimensional convolution as PyTorch's `conv_transpose2d`: the adjoint of `conv2d` with the same weight, plus a bias.
 * `x` is `[N, C, H, W]`, `weight` `[C, K / groups, kh, kw]`, `bias` `[K]` or absent; the result is `[N, K, H', W']` with
 * `H' = (H - 1) stride - 2 padding + dilation (kh - 1) + outputPadding + 1`. Differentiable to any order.
 *
 * Throws a `ShapeError` where the shapes do not fit each other or nothing is left of the output, and an `ArgumentError` for options
 * that are not integers in their range.
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  { outputPadding = 0, ...options }: ConvTranspose2dOptions = {},
): Tensor {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const [strides, zeros, steps] = [pairOf(stride), pairOf(padding), pairOf(dilation)];
  const extra = pairOf(outputPadding);
  if (x.rank !== 4 || weight.rank !== 4 || x.shape[1] !== weight.shape[0]) {
    throw new ShapeError(
      `convTranspose2d: input ${formatShape(x.shape)}, weight ${formatShape(weight.shape)}; ` +
        'expected input [N, C, H, W] and weight [C, K / groups, kh, kw]',
    );
  }
  if (
    extra.some(
      (each, axis) => !Number.isInteger(each) || each < 0 || each >= Math.max(strides[axis] ?? 1, steps[axis] ?? 1),
    )
  ) {
    throw new ArgumentError(
      `convTranspose2d: outputPadding ${formatShape(extra)}; expected integers from 0 up, less than stride or dilation`,
    );
  }
  const channels = (weight.shape[1] ?? 0) * groups;
  if (bias && !sameShape(bias.shape, [channels])) {
    throw new ShapeError(
      `convTranspose2d: bias has shape ${formatShape(bias.shape)}; expected ${formatShape([channels])}`,
    );
  }
  // Whole strides of output padding are what further rows and columns of zeros would give.
  const [rows = 0, columns = 0] = extra.map((each, axis) => Math.floor(each / (strides[axis] ?? 1)));
  const input = rows + columns > 0 ? pad(x, [0, columns, 0, rows]) : x;
  const size = [0, 1].map((axis) => {
    const [step, taps] = [strides[axis] ?? 1, weight.shape[axis + 2] ?? 1];
    const reach = (steps[axis] ?? 1) * (taps - 1) + ((extra[axis] ?? 0) % step) + 1;
    return ((input.shape[axis + 2] ?? 0) - 1) * step - 2 * (zeros[axis] ?? 0) + reach;
  });
  if (size.some((each) => each < 1)) {
    throw new ShapeError(
      `convTranspose2d: input ${formatShape(x.shape)}, weight ${formatShape(weight.shape)} with padding ${formatShape(zeros)}; ` +
        'nothing is left of the output',
    );
  }
  const y = conv2dInputGrad(input, weight, [x.shape[0] ?? 0, channels, ...size], options);
  return bias ? add(y, reshape(bias, [channels, 1, 1])) : y;
}
