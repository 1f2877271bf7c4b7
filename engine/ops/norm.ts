import applySource from '../../shaders/batch_norm_apply.wgsl';
import backwardSource from '../../shaders/batch_norm_backward.wgsl';
import runningSource from '../../shaders/batch_norm_running.wgsl';
import statsSource from '../../shaders/batch_norm_stats.wgsl';
import { float } from '../dtype.js';
import { ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { apply, applyOne, defineOp, expectDType, nth, type BackwardCall, type Op } from '../op.js';
import { formatShape, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { ones, zeros } from './create.js';
import { add, mul, rsqrt, square, sub } from './elementwise.js';
import { reshape } from './movement.js';
import { mean, sum } from './reduce.js';

const slicesKernel = defineKernel({ name: 'batch_norm_stats', source: statsSource, bindings: ['read', 'write'] });
const mergeKernel = defineKernel({
  name: 'batch_norm_stats',
  source: statsSource,
  bindings: ['read', 'write', 'write'],
});
const applyKernel = defineKernel({
  name: 'batch_norm_apply',
  source: applySource,
  bindings: ['read', 'read', 'read', 'write', 'read', 'read'],
});
const scaleKernel = defineKernel({
  name: 'batch_norm_apply',
  source: applySource,
  bindings: ['read', 'read', 'read', 'write'],
});
const backwardSlicesKernel = defineKernel({
  name: 'batch_norm_backward',
  source: backwardSource,
  bindings: ['read', 'read', 'read', 'read', 'write'],
});
const backwardMergeKernel = defineKernel({
  name: 'batch_norm_backward',
  source: backwardSource,
  bindings: ['read', 'read', 'read', 'read', 'read', 'write', 'write'],
});
const backwardInputKernel = defineKernel({
  name: 'batch_norm_backward',
  source: backwardSource,
  bindings: ['read', 'read', 'read', 'read', 'read', 'read', 'read', 'write'],
});
const runningKernel = defineKernel({
  name: 'batch_norm_running',
  source: runningSource,
  bindings: ['read', 'read', 'write', 'write'],
});

/** Elements of a channel that one invocation sums. */
const SLICE = 128;

interface Extent {
  readonly channels: number;
  /** H * W. */
  readonly plane: number;
  /** Elements of one channel in the batch. */
  readonly count: number;
  readonly slices: number;
}

function extentOf(x: Tensor): Extent {
  const channels = x.shape[1] ?? 1;
  const count = x.size / channels;
  return { channels, plane: sizeOf(x.shape.slice(2)), count, slices: Math.max(1, Math.ceil(count / SLICE)) };
}

interface NormAttrs {
  readonly eps: number;
}

/** Per-channel mean and biased variance of `x` into `[C]` tensors. */
function computeStats(x: Tensor, meanOut: Tensor, variance: Tensor): void {
  const { channels, plane, count, slices } = extentOf(x);
  const partial = x.device.empty([channels * slices, 2]);
  const uniforms = [channels, plane, count, slices];
  x.device.dispatch({
    kernel: slicesKernel,
    constants: { PASS: 'slices' },
    buffers: [x.range, partial.range],
    uniforms,
    workgroups: [Math.ceil((channels * slices) / 64)],
  });
  x.device.dispatch({
    kernel: mergeKernel,
    constants: { PASS: 'merge' },
    buffers: [partial.range, meanOut.range, variance.range],
    uniforms,
    workgroups: [Math.ceil(channels / 64)],
  });
  partial.dispose();
}

interface Affine {
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly gamma: Tensor;
  readonly beta: Tensor;
}

/** The normalised `x`, or without `beta` and `mean` its gradient for fixed statistics. */
function applyAffine(x: Tensor, y: Tensor, eps: number, affine: Omit<Affine, 'mean' | 'beta'> & Partial<Affine>): void {
  if (x.size === 0) return;
  const { channels, plane } = extentOf(x);
  const vectors = plane % 4 === 0;
  const size = vectors ? x.size / 4 : x.size;
  const { mean: center, beta } = affine;
  const linear = !center || !beta;
  const buffers = [x, affine.variance, affine.gamma, y, ...(linear ? [] : [center, beta])];
  x.device.dispatch({
    kernel: linear ? scaleKernel : applyKernel,
    constants: { LINEAR: linear, VECTORS: vectors },
    buffers: buffers.map((tensor) => tensor.range),
    uniforms: [size, vectors ? plane / 4 : plane, channels, float(eps)],
    workgroups: foldWorkgroups(Math.ceil(size / 64)),
    label: linear ? 'batchNorm2d eval backward' : 'batchNorm2d',
  });
}

/** A per-channel `[C]` tensor shaped to broadcast over `[N, C, H, W]`. */
function perChannel(values: Tensor): Tensor {
  return reshape(values, [1, values.size, 1, 1]);
}

const OVER_CHANNEL = [0, 2, 3];

/** Inputs x, gamma, beta; outputs y and the batch's mean and biased variance. */
const trainOp: Op<NormAttrs> = defineOp<NormAttrs>({
  name: 'batchNorm2dTrain',
  summary: 'Batch normalisation by the statistics of the batch.',
  infer: (inputs) => {
    const { shape } = nth(inputs, 0);
    const statistics = { shape: [shape[1] ?? 0], dtype: 'f32' } as const;
    return [{ shape, dtype: 'f32' }, statistics, statistics];
  },
  run: ({ inputs, outputs, attrs }) => {
    const [x, gamma, beta] = [nth(inputs, 0), nth(inputs, 1), nth(inputs, 2)];
    const [y, center, variance] = [nth(outputs, 0), nth(outputs, 1), nth(outputs, 2)];
    computeStats(x, center, variance);
    applyAffine(x, y, attrs.eps, { mean: center, variance, gamma, beta });
  },
  backward: ({ grads, inputs, attrs, needs }) => {
    const [g, x, gamma] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    const centered = sub(x, mean(x, OVER_CHANNEL, { keepDim: true }));
    const inverse = rsqrt(add(mean(square(centered), OVER_CHANNEL, { keepDim: true }), attrs.eps));
    const xhat = mul(centered, inverse);
    const gHat = mul(g, perChannel(gamma));
    const along = mul(xhat, mean(mul(gHat, xhat), OVER_CHANNEL, { keepDim: true }));
    return [
      needs[0] ? mul(inverse, sub(sub(gHat, mean(gHat, OVER_CHANNEL, { keepDim: true })), along)) : undefined,
      needs[1] ? sum(mul(g, xhat), OVER_CHANNEL) : undefined,
      needs[2] ? sum(g, OVER_CHANNEL) : undefined,
    ];
  },
  fusedBackward: ({ grads, inputs, outputs, attrs, needs }) => {
    const statistics = { mean: nth(outputs, 1), variance: nth(outputs, 2) };
    const [g, x, gamma] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    const sums = channelSums(x, g, statistics, attrs.eps);
    if (!needs[0]) return [undefined, sums.dgamma, sums.dbeta];
    const { channels, plane, count, slices } = extentOf(x);
    const dx = x.device.empty(x.shape);
    const buffers = [x, g, statistics.mean, statistics.variance, sums.dgamma, sums.dbeta, gamma, dx];
    x.device.dispatch({
      kernel: backwardInputKernel,
      constants: { PASS: 'input' },
      buffers: buffers.map((tensor) => tensor.range),
      uniforms: [channels, plane, count, slices, float(attrs.eps)],
      workgroups: foldWorkgroups(Math.ceil(x.size / 64)),
    });
    return [dx, sums.dgamma, sums.dbeta];
  },
});

/** sum g xhat and sum g over each channel. */
function channelSums(
  x: Tensor,
  g: Tensor,
  { mean: center, variance }: Pick<Affine, 'mean' | 'variance'>,
  eps: number,
): { dgamma: Tensor; dbeta: Tensor } {
  const { channels, plane, count, slices } = extentOf(x);
  const { device } = x;
  const [dgamma, dbeta, partial] = [
    device.empty([channels]),
    device.empty([channels]),
    device.empty([channels * slices, 2]),
  ];
  const shared = [x, g, center, variance, partial];
  const uniforms = [channels, plane, count, slices, float(eps)];
  device.dispatch({
    kernel: backwardSlicesKernel,
    constants: { PASS: 'slices' },
    buffers: shared.map((tensor) => tensor.range),
    uniforms,
    workgroups: foldWorkgroups(Math.ceil((channels * slices) / 64)),
  });
  device.dispatch({
    kernel: backwardMergeKernel,
    constants: { PASS: 'merge' },
    buffers: [...shared, dgamma, dbeta].map((tensor) => tensor.range),
    uniforms,
    workgroups: foldWorkgroups(Math.ceil(channels / 64)),
  });
  partial.dispose();
  return { dgamma, dbeta };
}

function evalBackward({ grads, inputs, attrs, needs }: BackwardCall<NormAttrs>): (Tensor | undefined)[] {
  const [g, x, gamma] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
  const [center, variance] = [perChannel(nth(inputs, 3)), perChannel(nth(inputs, 4))];
  const inverse = rsqrt(add(variance, attrs.eps));
  return [
    needs[0] ? mul(g, mul(inverse, perChannel(gamma))) : undefined,
    needs[1] ? sum(mul(g, mul(sub(x, center), inverse)), OVER_CHANNEL) : undefined,
    needs[2] ? sum(g, OVER_CHANNEL) : undefined,
    undefined,
    undefined,
  ];
}

/** Inputs x, gamma, beta, running mean, running variance; the statistics are constants. */
const evalOp: Op<NormAttrs> = defineOp<NormAttrs>({
  name: 'batchNorm2dEval',
  summary: 'Batch normalisation by running statistics.',
  infer: (inputs) => [{ shape: nth(inputs, 0).shape, dtype: 'f32' }],
  run: ({ inputs, outputs, attrs }) => {
    applyAffine(nth(inputs, 0), nth(outputs, 0), attrs.eps, {
      gamma: nth(inputs, 1),
      beta: nth(inputs, 2),
      mean: nth(inputs, 3),
      variance: nth(inputs, 4),
    });
  },
  backward: evalBackward,
  fusedBackward: (call) => {
    const { grads, inputs, attrs, needs } = call;
    if (!needs[0]) return evalBackward(call);
    const g = nth(grads, 0);
    const dx = g.device.empty(g.shape);
    applyAffine(g, dx, attrs.eps, { variance: nth(inputs, 4), gamma: nth(inputs, 1) });
    return evalBackward({ ...call, needs: [false, ...needs.slice(1)] }).with(0, dx);
  },
});

/** What `batchNorm2d` normalises by. */
export interface BatchNormOptions {
  /** Scale `[C]`; ones by default. */
  readonly weight?: Tensor | null;
  /** Shift `[C]`; zeros by default. */
  readonly bias?: Tensor | null;
  /** Running mean `[C]`: read in evaluation, updated in place in training. */
  readonly runningMean: Tensor;
  /** Running (unbiased) variance `[C]`, likewise. */
  readonly runningVar: Tensor;
  /** Whether to normalise by the batch's own statistics and update the running ones. */
  readonly training: boolean;
  /** Weight of the new batch in the running statistics; 0.1 by default. */
  readonly momentum?: number;
  /** Added to the variance; 1e-5 by default. */
  readonly eps?: number;
}

/**
 * Batch normalisation of `x` `[N, C, H, W]` over N, H and W, as PyTorch's: training divides by the biased variance of the
 * batch and moves the running statistics towards the batch's mean and unbiased variance, on the GPU; evaluation uses the
 * running statistics and leaves them. (Ioffe & Szegedy, 2015.)
 */
export function batchNorm2d(x: Tensor, options: BatchNormOptions): Tensor {
  const { runningMean, runningVar, training, momentum = 0.1, eps = 1e-5 } = options;
  const channels = x.shape[1] ?? 0;
  const weight = options.weight ?? ones([channels], { device: x.device });
  const bias = options.bias ?? zeros([channels], { device: x.device });
  expectDType('batchNorm2d', [x, weight, bias, runningMean, runningVar], 'f32');
  const wrong = [weight, bias, runningMean, runningVar].find((tensor) => tensor.size !== channels);
  if (x.rank !== 4 || wrong) {
    throw new ShapeError(
      `batchNorm2d: input ${formatShape(x.shape)} with per-channel tensors of ${wrong?.size ?? channels}; ` +
        `expected [N, C, H, W] and C values each`,
    );
  }
  if (!training) return applyOne(evalOp, [x, weight, bias, runningMean, runningVar], { eps });
  const count = x.size / channels;
  if (!(count > 1)) {
    throw new ShapeError(
      `batchNorm2d: input ${formatShape(x.shape)} has ${count || 0} value per channel; training needs more than 1`,
    );
  }
  const [y, center, variance] = apply(trainOp, [x, weight, bias], { eps });
  x.device.dispatch({
    kernel: runningKernel,
    buffers: [nth([center], 0).range, nth([variance], 0).range, runningMean.range, runningVar.range],
    uniforms: [channels, float(momentum), float(count / (count - 1))],
    workgroups: [Math.ceil(channels / 64)],
  });
  return nth([y], 0);
}
