import avgPoolSource from '../../shaders/avg_pool.wgsl';
import { float } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import { defineKernel, strideWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type Op } from '../op.js';
import type { Tensor } from '../tensor.js';
import type { Pair } from './pair.js';
import { pooledShape, poolWindow, type PoolWindow, type WindowOptions } from './pool-window.js';

const avgPoolKernel = defineKernel({ name: 'avg_pool', source: avgPoolSource, bindings: ['read', 'write'] });

interface AvgPoolAttrs extends PoolWindow {
  readonly countIncludePad: boolean;
  readonly divisor?: number;
}

function dispatchPool(pass: 'pool' | 'spread', attrs: AvgPoolAttrs, x: Tensor, y: Tensor): void {
  if (y.size === 0) return;
  const [, , height = 0, width = 0] = attrs.shape;
  const [, , outHeight = 0, outWidth = 0] = pooledShape(attrs);
  const [[KH, KW], [SH, SW], [PH, PW]] = [attrs.kernel, attrs.stride, attrs.padding];
  y.device.dispatch({
    kernel: avgPoolKernel,
    constants: { PASS: pass, COUNT_PAD: attrs.countIncludePad, KH, KW, SH, SW, PH, PW },
    buffers: [x.range, y.range],
    uniforms: [y.size, height, width, outHeight, outWidth, float(attrs.divisor ?? 0)],
    workgroups: strideWorkgroups(y.size, y.device.caps),
    label: `avgPool2d ${pass}`,
  });
}

/** Windows with and without overlap, gaps, padding, remainders and sizes rounded up. */
const WINDOWS: readonly AvgPoolAttrs[] = [
  { shape: [2, 3, 8, 8], kernel: [2, 2], stride: [2, 2], padding: [0, 0], countIncludePad: true },
  { shape: [1, 1, 1, 1], kernel: [1, 1], stride: [1, 1], padding: [0, 0], countIncludePad: true },
  { shape: [0, 2, 4, 4], kernel: [2, 2], stride: [2, 2], padding: [0, 0], countIncludePad: true },
  { shape: [1, 2, 7, 9], kernel: [3, 3], stride: [2, 2], padding: [1, 1], countIncludePad: true },
  { shape: [1, 2, 7, 9], kernel: [3, 3], stride: [1, 2], padding: [1, 1], countIncludePad: false },
  { shape: [1, 2, 6, 7], kernel: [2, 2], stride: [3, 3], padding: [0, 0], countIncludePad: true, divisor: 3 },
  { shape: [1, 2, 7, 6], kernel: [4, 3], stride: [3, 2], padding: [1, 1], countIncludePad: true, ceilMode: true },
  { shape: [2, 1, 6, 7], kernel: [3, 2], stride: [2, 3], padding: [1, 0], countIncludePad: false, ceilMode: true },
  { shape: [3, 5, 16, 12], kernel: [16, 12], stride: [16, 12], padding: [0, 0], countIncludePad: true },
];

const avgPoolOp: Op<AvgPoolAttrs> = defineOp<AvgPoolAttrs>({
  name: 'avgPool2d',
  summary: 'The mean of each window.',
  samples: WINDOWS.map((attrs) => ({ shapes: [attrs.shape], attrs })),
  infer: (inputs, attrs) => {
    expectDType('avgPool2d', inputs, 'f32');
    return [{ shape: pooledShape(attrs), dtype: 'f32' }];
  },
  run: ({ inputs, outputs, attrs }) => {
    dispatchPool('pool', attrs, nth(inputs, 0), nth(outputs, 0));
  },
  backward: ({ grads, attrs }) => [applyOne(spreadOp, [nth(grads, 0)], attrs)],
});

const spreadOp: Op<AvgPoolAttrs> = defineOp<AvgPoolAttrs>({
  name: 'avgPool2dSpread',
  summary: 'Window values divided among their elements: the gradient of avgPool2d, and its adjoint.',
  samples: WINDOWS.map((attrs) => ({ shapes: [pooledShape(attrs)], attrs })),
  infer: (inputs, { shape }) => {
    expectDType('avgPool2dSpread', inputs, 'f32');
    return [{ shape, dtype: 'f32' }];
  },
  run: ({ inputs, outputs, attrs }) => {
    dispatchPool('spread', attrs, nth(inputs, 0), nth(outputs, 0));
  },
  backward: ({ grads, attrs }) => [applyOne(avgPoolOp, [nth(grads, 0)], attrs)],
});

/** Options of `avgPool2d`. */
export interface AvgPoolOptions extends WindowOptions {
  /** Whether the zeros of the padding count in a mean's divisor; true by default. */
  readonly countIncludePad?: boolean;
  /** What sums are divided by, in place of their count. */
  readonly divisorOverride?: number;
}

/**
 * The mean of each window of `x` `[N, C, H, W]`, as PyTorch's. Sizes are floor((H + 2 padding - kernel) / stride) + 1, or rounded up
 * with `ceilMode`.
 *
 * @throws ShapeError where no window fits, ArgumentError for a divisor of 0
 */
export function avgPool2d(x: Tensor, kernelSize: Pair, options: AvgPoolOptions = {}): Tensor {
  const { countIncludePad = true, divisorOverride: divisor } = options;
  if (divisor !== undefined && !(Number.isFinite(divisor) && divisor !== 0)) {
    throw new ArgumentError(`avgPool2d: divisorOverride ${divisor}; expected a finite number other than 0`);
  }
  const window = poolWindow('avgPool2d', x, kernelSize, options);
  return applyOne(avgPoolOp, [x], { ...window, countIncludePad, ...(divisor !== undefined && { divisor }) });
}
