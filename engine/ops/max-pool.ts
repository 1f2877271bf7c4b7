import maxPoolSource from '../../shaders/max_pool.wgsl';
import { float } from '../dtype.js';
import { defineKernel, strideWorkgroups, type Kernel } from '../kernel.js';
import { apply, applyOne, defineOp, expectDType, nth, type InputDraw, type Op, type OpSample } from '../op.js';
import type { Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import type { Pair } from './pair.js';
import { pooledShape, poolWindow, type PoolWindow, type WindowOptions } from './pool-window.js';

const poolKernel = defineKernel({ name: 'max_pool', source: maxPoolSource, bindings: ['read', 'write', 'write'] });
const moveKernel = defineKernel({ name: 'max_pool', source: maxPoolSource, bindings: ['read', 'read', 'write'] });

/** Windows of more elements than this are walked by loops: SwiftShader's compiler takes minutes over an unrolled 3 x 3 one. */
const UNROLL = 4;

type Pass = 'pool' | 'gather' | 'scatter';

/** Windows that can cover one element, up to which four elements to an invocation are not too much for SwiftShader's compiler. */
const COVERED = 1;

/** Elements of the written tensor to an invocation; more than 1 where rows divide into vectors (see the kernel). */
function widthOf(pass: Pass, { kernel, stride, padding, shape }: PoolWindow): number {
  if ((shape[3] ?? 0) % 4 !== 0 || kernel[0] * kernel[1] > UNROLL || pass === 'gather') return 1;
  if (pass === 'pool') return kernel[1] === 2 && stride[1] === 2 && padding[1] === 0 ? 2 : 1;
  const covering = Math.ceil(kernel[0] / stride[0]) * Math.ceil(kernel[1] / stride[1]);
  return 4 % stride[1] === 0 && covering <= COVERED ? 4 : 1;
}

function dispatchPool(kernel: Kernel, pass: Pass, attrs: PoolWindow, tensors: readonly Tensor[]): void {
  const written = nth(tensors, pass === 'pool' ? 1 : 2);
  if (written.size === 0) return;
  const [, , outHeight = 0, outWidth = 0] = pooledShape(attrs);
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
const WINDOWS: readonly PoolWindow[] = [
  { shape: [2, 3, 8, 8], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 2, 7, 4], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 1, 1, 1], kernel: [1, 1], stride: [1, 1], padding: [0, 0] },
  { shape: [0, 2, 4, 4], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 2, 7, 9], kernel: [3, 3], stride: [2, 2], padding: [1, 1] },
  { shape: [1, 1, 6, 8], kernel: [2, 3], stride: [1, 4], padding: [1, 0] },
  { shape: [1, 2, 6, 7], kernel: [2, 2], stride: [3, 3], padding: [0, 0] },
  { shape: [1, 1, 4, 8], kernel: [3, 2], stride: [2, 2], padding: [1, 0] },
  { shape: [1, 2, 8, 8], kernel: [5, 5], stride: [2, 2], padding: [2, 2] },
  { shape: [1, 2, 8, 8], kernel: [2, 2], stride: [1, 1], padding: [0, 0] },
  { shape: [2, 2, 4, 4], kernel: [2, 1], stride: [1, 4], padding: [1, 0] },
  { shape: [1, 1, 5, 8], kernel: [3, 3], stride: [1, 1], padding: [1, 1] },
  { shape: [1, 2, 7, 8], kernel: [2, 2], stride: [2, 2], padding: [0, 0], ceilMode: true },
  { shape: [2, 1, 6, 7], kernel: [3, 2], stride: [2, 3], padding: [1, 0], ceilMode: true },
];

/** One window to a plane, so that every place in the plane is a choice that it can have made. */
const SINGLE: readonly PoolWindow[] = [
  { shape: [2, 3, 2, 2], kernel: [2, 2], stride: [2, 2], padding: [0, 0] },
  { shape: [1, 2, 3, 5], kernel: [3, 5], stride: [1, 1], padding: [0, 0] },
  { shape: [3, 1, 8, 4], kernel: [8, 4], stride: [8, 4], padding: [0, 0] },
];

function movingSamples(from: (attrs: PoolWindow) => Shape): OpSample<PoolWindow>[] {
  return SINGLE.map((attrs) => {
    const choice: InputDraw = { dtype: 'i32', range: [0, attrs.kernel[0] * attrs.kernel[1]] };
    return { shapes: [from(attrs), pooledShape(attrs)], attrs, draws: [null, choice] };
  });
}

const maxPoolOp: Op<PoolWindow> = defineOp<PoolWindow>({
  name: 'maxPool2d',
  summary: 'The largest element of each window, and where it is.',
  samples: WINDOWS.map((attrs) => ({ shapes: [attrs.shape], attrs })),
  infer: (inputs, attrs) => {
    expectDType('maxPool2d', inputs, 'f32');
    const shape = pooledShape(attrs);
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

const scatterOp: Op<PoolWindow> = defineOp<PoolWindow>({
  name: 'maxPool2dScatter',
  summary: 'Window values sent to the elements that max-pooling chose: the gradient of maxPool2d.',
  samples: movingSamples(pooledShape),
  infer: (inputs, { shape }) => {
    expectDType('maxPool2dScatter', inputs.slice(0, 1), 'f32');
    return [{ shape, dtype: 'f32' }];
  },
  run: ({ inputs, outputs, attrs }) => {
    dispatchPool(moveKernel, 'scatter', attrs, [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)]);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(gatherOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

const gatherOp: Op<PoolWindow> = defineOp<PoolWindow>({
  name: 'maxPool2dGather',
  summary: 'The elements that max-pooling chose, one per window: the adjoint of maxPool2dScatter.',
  samples: movingSamples(({ shape }) => shape),
  infer: (inputs, attrs) => {
    expectDType('maxPool2dGather', inputs.slice(0, 1), 'f32');
    return [{ shape: pooledShape(attrs), dtype: 'f32' }];
  },
  run: ({ inputs, outputs, attrs }) => {
    dispatchPool(moveKernel, 'gather', attrs, [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)]);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(scatterOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

/**
 * The largest element of each window of `x` `[N, C, H, W]`; equal ones give the gradient to the first, as in PyTorch. Padding never
 * wins. Sizes are floor((H + 2 padding - kernel) / stride) + 1, or rounded up with `ceilMode`. Throws a `ShapeError` where no
 * window fits.
 */
export function maxPool2d(x: Tensor, kernelSize: Pair, options: WindowOptions = {}): Tensor {
  return nth(apply(maxPoolOp, [x], poolWindow('maxPool2d', x, kernelSize, options)), 0);
}
