import scanSource from '../../shaders/scan.wgsl';
import type { Device } from '../device.js';
import { storageType } from '../dtype.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { defineKernel, strideWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, inF32, nth, type Op } from '../op.js';
import { formatShape, normalizeAxes, normalizeAxis, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { split } from './arrange.js';
import { ones } from './create.js';
import { abs, div, eq, gt, mul, ne, pow, sign, sqrt, square, sub, to, where } from './elementwise.js';
import { concat, permute, reshape } from './movement.js';
import { max, mean, slicesFor, sum, type ReduceOptions } from './reduce.js';

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** What is taken off the number of elements that the sum of squares is divided by; 1 by default (Bessel's correction). */
  readonly correction?: number;
}

/**
 * The variance over `axes` (all by default) of a tensor of floats, sum (x - mean)^2 / (N - correction); the method of a tensor is
 * called `var`. Throws a `ShapeError` where N is not above the correction.
 */
export function variance(x: Tensor, axes?: number | readonly number[], options: VarianceOptions = {}): Tensor {
  if (x.dtype === 'f16') return inF32(x, (wide) => variance(wide, axes, options));
  const { keepDim = false, correction = 1 } = options;
  expectDType('variance', [x], 'f32');
  const over = normalizeAxes('variance', axes, x.rank);
  const count = sizeOf(over.map((axis) => x.shape[axis] ?? 1));
  if (count <= Math.max(correction, 0)) {
    throw new ShapeError(
      `variance: axes ${formatShape(over)} of shape ${formatShape(x.shape)} have ${count} elements; ` +
        `with a correction of ${correction}, expected more than ${Math.max(correction, 0)}`,
    );
  }
  const deviations = sub(x, mean(x, over, { keepDim: true }));
  return div(sum(square(deviations), over, { keepDim }), count - correction);
}

/** The square root of `variance`; its gradient is 0 where it is 0. */
export function std(x: Tensor, axes?: number | readonly number[], options: VarianceOptions = {}): Tensor {
  return inF32(x, (wide) => smooth(variance(wide, axes, options), sqrt));
}

/** `f(x)` where x > 0, else 0 with all derivatives 0: for roots, which have none at 0. */
function smooth(x: Tensor, f: (x: Tensor) => Tensor): Tensor {
  const positive = gt(x, 0);
  const one = ones([], { device: x.device });
  return mul(f(where(positive, x, one)), to(positive, 'f32'));
}

/**
 * The product over `axes` (all by default), by halves: of pairs, of pairs of those, and so on. 1 where there is nothing to multiply.
 * Its derivatives are right also where elements are 0.
 */
export function prod(x: Tensor, axes?: number | readonly number[], { keepDim = false }: ReduceOptions = {}): Tensor {
  const over = normalizeAxes('prod', axes, x.rank);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !over.includes(axis));
  const shape = x.shape.flatMap((size, axis) => (over.includes(axis) ? (keepDim ? [1] : []) : [size]));
  const count = sizeOf(over.map((axis) => x.shape[axis] ?? 1));
  if (count === 0) return ones(shape, { device: x.device, dtype: x.dtype });
  return inF32(x, (wide) => {
    let factors = reshape(permute(wide, [...over, ...kept]), [count, x.size / count]);
    for (let left = count; left > 1; left = Math.ceil(left / 2)) {
      const half = Math.floor(left / 2);
      const [first, second, odd] = split(factors, left % 2 === 0 ? [half, half] : [half, half, 1]);
      const products = mul(first ?? factors, second ?? factors);
      factors = odd ? concat([products, odd]) : products;
    }
    return reshape(factors, shape);
  });
}

/** Options of `norm`. */
export interface NormOptions extends ReduceOptions {
  /** 2 by default; `Infinity` is the largest magnitude, 0 the number of elements other than 0. */
  readonly p?: number;
  /** All by default. */
  readonly axes?: number | readonly number[];
}

/**
 * The p-norm (sum |x|^p)^(1/p) over axes of a tensor of floats, as PyTorch's `vector_norm`. The gradient is 0 where an element (for
 * p of 1 or less) or the norm is 0; magnitudes that share the largest share its gradient. Throws an `ArgumentError` unless p >= 0.
 */
export function norm(x: Tensor, options: NormOptions = {}): Tensor {
  if (x.dtype === 'f16') return inF32(x, (wide) => norm(wide, options));
  const { p = 2, axes, keepDim = false } = options;
  expectDType('norm', [x], 'f32');
  if (!(p >= 0)) throw new ArgumentError(`norm: p = ${p}; expected 0, a positive number or Infinity`);
  switch (p) {
    case 0:
      return sum(abs(sign(x)), axes, { keepDim });
    case 1:
      return sum(abs(x), axes, { keepDim });
    case 2:
      return smooth(sum(square(x), axes, { keepDim }), sqrt);
    case Infinity:
      return max(abs(x), axes, { keepDim });
    default: {
      const powers = smooth(abs(x), (magnitude) => pow(magnitude, p));
      return smooth(sum(powers, axes, { keepDim }), (total) => pow(total, 1 / p));
    }
  }
}

/** How many elements over `axes` are 0, or other than 0, as u32. */
function countOf(
  test: typeof eq,
  x: Tensor,
  axes: number | readonly number[] | undefined,
  options: ReduceOptions,
): Tensor {
  return sum(to(test(x, 0), 'u32'), axes, options);
}

/** Whether some element over `axes` (all by default) is other than 0, as bool; false where there is none. Any dtype. */
export function any(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return gt(countOf(ne, x, axes, options), 0);
}

/** Whether every element over `axes` (all by default) is other than 0, as bool; true where there is none. Any dtype. */
export function all(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return eq(countOf(eq, x, axes, options), 0);
}

const scanKernel = defineKernel({ name: 'scan', source: scanSource, bindings: ['read', 'write'] });
const carryKernel = defineKernel({ name: 'scan', source: scanSource, bindings: ['read', 'write', 'read'] });

interface CumsumAttrs {
  readonly axis: number;
  /** Sums of what follows instead of what precedes. */
  readonly reverse: boolean;
}

/** A tensor seen as three axes, of which the middle one is summed along. */
interface Lines {
  readonly outer: number;
  readonly count: number;
  readonly inner: number;
}

/** Records the passes of running sums of `x` into `y`: sums of chunks, running sums of those, running sums within chunks. */
function scanInto(device: Device, x: Tensor, y: Tensor, { outer, count, inner }: Lines, reverse: boolean): void {
  const { dtype } = x;
  const chunk = Math.ceil(count / slicesFor(device, outer * inner, count));
  const chunks = Math.ceil(count / chunk);
  const pass = (name: 'totals' | 'scan', target: Tensor, carried?: Tensor): void => {
    const lanes = outer * chunks * inner;
    device.dispatch({
      kernel: carried ? carryKernel : scanKernel,
      constants: { PASS: name, T: storageType(dtype), REVERSE: reverse, CARRY: carried !== undefined },
      buffers: [x, target, ...(carried ? [carried] : [])].map((tensor) => tensor.range),
      uniforms: [lanes, count, inner, chunk, chunks],
      workgroups: strideWorkgroups(lanes, device.caps),
      label: 'cumsum',
    });
  };
  if (chunks === 1) {
    pass('scan', y);
    return;
  }
  const shape = [outer, chunks, inner];
  const [totals, carried] = [device.empty(shape, dtype), device.empty(shape, dtype)];
  pass('totals', totals);
  // The totals are in the order of the walk already.
  scanInto(device, totals, carried, { outer, count: chunks, inner }, false);
  pass('scan', y, carried);
  totals.dispose();
  carried.dispose();
}

const cumsumOp: Op<CumsumAttrs> = defineOp<CumsumAttrs>({
  name: 'cumsum',
  summary: 'Running sums along an axis.',
  dtypes: ['f32', 'i32', 'u32'],
  samples: [
    { shapes: [[7]], attrs: { axis: 0, reverse: false } },
    { shapes: [[3, 4, 5]], attrs: { axis: 1, reverse: true } },
    { shapes: [[1, 3]], attrs: { axis: 0, reverse: false } },
    { shapes: [[2, 13]], attrs: { axis: 1, reverse: true } },
    { shapes: [[0, 3]], attrs: { axis: 0, reverse: false } },
    { shapes: [[1031]], attrs: { axis: 0, reverse: false } },
    { shapes: [[2, 4099, 3]], attrs: { axis: 1, reverse: true } },
  ],
  infer: (inputs) => {
    const { shape, dtype } = nth(inputs, 0);
    expectDType('cumsum', inputs, 'f32', 'i32', 'u32');
    return [{ shape, dtype }];
  },
  run: ({ device, inputs, outputs, attrs: { axis, reverse } }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    if (x.size === 0) return;
    const lines = {
      outer: sizeOf(x.shape.slice(0, axis)),
      count: x.shape[axis] ?? 1,
      inner: sizeOf(x.shape.slice(axis + 1)),
    };
    scanInto(device, x, y, lines, reverse);
  },
  backward: ({ grads, attrs: { axis, reverse } }) => [applyOne(cumsumOp, [nth(grads, 0)], { axis, reverse: !reverse })],
});

/** y[.., j, ..] = x[.., 0, ..] + ... + x[.., j, ..] along `axis`, in a fixed order; f32, i32 or u32. */
export function cumsum(x: Tensor, axis: number): Tensor {
  return applyOne(cumsumOp, [x], { axis: normalizeAxis('cumsum', axis, x.rank), reverse: false });
}
