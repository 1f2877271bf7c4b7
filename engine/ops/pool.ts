import maxPoolSource from '../../shaders/max_pool.wgsl';
import { float } from '../dtype.js';
import { ShapeError } from '../errors.js';
import { defineKernel, strideWorkgroups, type Kernel } from '../kernel.js';
import { apply, applyOne, defineOp, expectDType, nth, type InputDraw, type Op, type OpSample } from '../op.js';
import { formatShape, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { pairOf, type Pair } from './pair.js';

const poolKernel = defineKernel({ name: 'max_pool', source: maxPoolSource, bindings: ['read', 'write', 'write'] });
const moveKernel = defineKernel({ name: 'max_pool', source: maxPoolSource, bindings: ['read', 'read', 'write'] });

interface PoolAttrs {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  /** [N, C, H, W] of the pooled tensor. */
  readonly shape: Shape;
}

function outputShape({ kernel, stride, padding, shape }: PoolAttrs): number[] {
  const extent = (axis: 0 | 1): number =>
    Math.floor(((shape[axis + 2] ?? 0) + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1;
  return [shape[0] ?? 0, shape[1] ?? 0, extent(0), extent(1)];
}

/** Windows of more elements than this are walked by loops: SwiftShader's compiler takes minutes over an unrolled 3 x 3 one. */
const UNROLL = 4;

type Pass = 'pool' | 'gather' | 'scatter';

/** Windows that can cover one element, up to which four elements to an invocation are worth their code. */
const COVERED = 4;

/** Elements of the written tensor to an invocation; more than 1 where rows divide into vectors (see the kernel). */
function widthOf(pass: Pass, { kernel, stride, padding, shape }: PoolAttrs): number {
  if ((shape[3] ?? 0) % 4 !== 0 || kernel[0] * kernel[1] > UNROLL || pass === 'gather') return 1;
  if (pass === 'pool') return kernel[1] === 2 && stride[1] === 2 && padding[1] === 0 ? 2 : 1;
  const covering = Math.ceil(kernel[0] / stride[0]) * Math.ceil(kernel[1] / stride[1]);
  return 4 % stride[1] === 0 && covering <= COVERED ? 4 : 1;
}

function dispatchPool(kernel: Kernel, pass: Pass, attrs: PoolAttrs, tensors: readonly Tensor[]): void {
  const written = nth(tensors, pass === 'pool' ? 1 : 2);
  if (written.size === 0) return;
  const [, , outHeight = 0, outWidth = 0] = outputShape(attrs);
  const [, , height = 0, width = 0] = attrs.shape;
  const [, , rows = 1, columns = 1] = written.shape;
  const [[KH, KW], [SH, SW], [PH, PW]] = [attrs.kernel, attrs.stride, attrs.padding];
  const vector = widthOf(pass, attrs);
  const unrolled = KH * KW <= UNROLL;
  const size = written.size / vector;
  written.device.dispatch({
    kernel,
    constants: { PASS: pass, QUADS: vector > 1, UNROLLED: unrolled, ...(unrolled ? { KH, KW } : {}), SH, SW, PH, PW },
    buffers: tensors.map((tensor) => tensor.range),
    // prettier-ignore
    uniforms: [
      size, height, width, outHeight, outWidth, KH, KW,
      float(vector / columns), float(vector / (rows * columns)),
    ],
    workgroups: strideWorkgroups(size, written.device.caps),
    label: `maxPool2d ${pass}`,
  });
}

/** Windows with and without overlap, gaps, padding and remainders, in rows that do and do not divide into vectors. */
const WINDOWS: readonly PoolAttrs[] = [
  { shape: [2, 3, 8, 8], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 2, 7, 4], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 1, 1, 1], kernel: [1, 1], stride: [1, 1], padding: [0, 0] },
  { shape: [0, 2, 4, 4], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 2, 7, 9], kernel: [3, 3], stride: [2, 2], padding: [1, 1] },
  { shape: [1, 1, 6, 8], kernel: [2, 3], stride: [1, 4], padding: [1, 0] },
  { shape: [1, 2, 6, 7], kernel: [2, 2], stride: [3, 3], padding: [0, 0] },
  { shape: [1, 1, 4, 8], kernel: [3, 2], stride: [2, 2], padding: [1, 0] },
  { shape: [1, 2, 8, 8], kernel: [5, 5], stride: [2, 2], padding: [2, 2] },
];

/** One window to a plane, so that every place in the plane is a choice that it can have made. */
const SINGLE: readonly PoolAttrs[] = [
  { shape: [2, 3, 2, 2], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 2, 3, 5], kernel: [3, 5], stride: [1, 1], padding: [0, 0] },
  { shape: [3, 1, 8, 4], kernel: [8, 4], stride: [8, 4], padding: [0, 0] },
];

function movingSamples(from: (attrs: PoolAttrs) => Shape): OpSample<PoolAttrs>[] {
  return SINGLE.map((attrs) => {
    const choice: InputDraw = { dtype: 'i32', range: [0, attrs.kernel[0] * attrs.kernel[1]] };
    return { shapes: [from(attrs), outputShape(attrs)], attrs, draws: [null, choice] };
  });
}

const maxPoolOp: Op<PoolAttrs> = defineOp<PoolAttrs>({
  name: 'maxPool2d',
  summary: 'The largest element of each window, and where it is.',
  samples: WINDOWS.map((attrs) => ({ shapes: [attrs.shape], attrs })),
  infer: (_, attrs) => {
    const shape = outputShape(attrs);
    return [
      { shape, dtype: 'f32' },
      { shape, dtype: 'i32' },
    ];
  },
  run: ({ inputs, outputs, attrs }) => {
    const [x, y, index] = [nth(inputs, 0), nth(outputs, 0), nth(outputs, 1)];
    dispatchPool(poolKernel, 'pool', attrs, [x, y, index]);
  },
  backward: ({ grads, outputs, attrs }) => [applyOne(scatterOp, [nth(grads, 0), nth(outputs, 1)], attrs)],
});

const scatterOp: Op<PoolAttrs> = defineOp<PoolAttrs>({
  name: 'maxPool2dScatter',
  summary: 'Window values sent to the elements that max-pooling chose: the gradient of maxPool2d.',
  samples: movingSamples(outputShape),
  infer: (_, { shape }) => [{ shape, dtype: 'f32' }],
  run: ({ inputs, outputs, attrs }) => {
    dispatchPool(moveKernel, 'scatter', attrs, [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)]);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(gatherOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

const gatherOp: Op<PoolAttrs> = defineOp<PoolAttrs>({
  name: 'maxPool2dGather',
  summary: 'The elements that max-pooling chose, one per window: the adjoint of maxPool2dScatter.',
  samples: movingSamples(({ shape }) => shape),
  infer: (_, attrs) => [{ shape: outputShape(attrs), dtype: 'f32' }],
  run: ({ inputs, outputs, attrs }) => {
    dispatchPool(moveKernel, 'gather', attrs, [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)]);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(scatterOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

/** Options of `maxPool2d`. */
export interface MaxPoolOptions {
  /** The kernel size by default. */
  readonly stride?: Pair;
  /** At most half the kernel size; 0 by default. */
  readonly padding?: Pair;
}

/**
 * The largest element of each window of `x` `[N, C, H, W]`; equal ones give the gradient to the first, as in PyTorch.
 * Sizes round down: floor((H + 2 padding - kernel) / stride) + 1. Throws a `ShapeError` where no window fits.
 */
export function maxPool2d(
  x: Tensor,
  kernelSize: Pair,
  { stride = kernelSize, padding = 0 }: MaxPoolOptions = {},
): Tensor {
  const attrs = { kernel: pairOf(kernelSize), stride: pairOf(stride), padding: pairOf(padding), shape: x.shape };
  expectDType('maxPool2d', [x], 'f32');
  if (x.rank !== 4) throw new ShapeError(`maxPool2d: input has shape ${formatShape(x.shape)}; expected [N, C, H, W]`);
  const whole = (values: readonly number[], least: number): boolean =>
    values.every((value) => Number.isInteger(value) && value >= least);
  const fits = whole(attrs.kernel, 1) && whole(attrs.stride, 1) && whole(attrs.padding, 0);
  if (!fits || attrs.padding.some((value, axis) => value * 2 > (attrs.kernel[axis] ?? 0))) {
    throw new ShapeError(
      `maxPool2d: kernel ${formatShape(attrs.kernel)}, stride ${formatShape(attrs.stride)}, padding ` +
        `${formatShape(attrs.padding)}; expected positive integers and padding of at most half the kernel`,
    );
  }
  if (
    outputShape(attrs)
      .slice(2)
      .some((size) => size < 1)
  ) {
    throw new ShapeError(
      `maxPool2d: kernel ${formatShape(attrs.kernel)} does not fit input ${formatShape(x.shape)} with padding ${formatShape(attrs.padding)}`,
    );
  }
  return nth(apply(maxPoolOp, [x], attrs), 0);
}
