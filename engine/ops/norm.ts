import applySource from '../../shaders/batch_norm_apply.wgsl';
import backwardSource from '../../shaders/batch_norm_backward.wgsl';
import runningSource from '../../shaders/batch_norm_running.wgsl';
import statsSource from '../../shaders/batch_norm_stats.wgsl';
import { float } from '../dtype.js';
import { ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups, type ElementwiseCall } from '../kernel.js';
import {
  apply,
  applyOne,
  defineOp,
  expectDType,
  inF32,
  nth,
  type BackwardCall,
  type InputDraw,
  type Op,
  type OpSample,
} from '../op.js';
import { formatShape, sizeOf, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { ones, zeros } from './create.js';
import { add, mul, neg, rsqrt, square, sub } from './elementwise.js';
import { reshape } from './movement.js';
import { mean, reduceInto, sum } from './reduce.js';

const slicesKernel = defineKernel({ name: 'batch_norm_stats', source: statsSource, bindings: ['read', 'write'] });
const lastKernel = defineKernel({
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
  bindings: ['read', 'read', 'read', 'read', 'write', 'write'],
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

const weighedKernel = defineKernel({
  name: 'batch_norm_running',
  source: runningSource,
  bindings: ['read', 'read', 'write', 'write', 'read'],
});

/** How the invocations of a pass divide x = [batch, channels, plane] among themselves. */
interface Division {
  readonly batch: number;
  readonly channels: number;
  /** Planes are counted in units of four elements where they are multiples of that. */
  readonly vector: boolean;
  /** Units to a plane. */
  readonly units: number;
  /** Invocations that share a plane. */
  readonly across: number;
  /** Samples whose planes an invocation of a sum takes. */
  readonly chunk: number;
  /** Invocations that share a channel of a sum. */
  readonly slices: number;
  /** Elements of one channel in the batch. */
  readonly count: number;
}

/** Steps of a loop that an invocation should take: at least for a sum, at most where there are planes enough. */
const SHORTEST = 32;
const LONGEST = { software: 1024, gpu: 4 };

function divide(x: Tensor): Division {
  const [batch = 0, channels = 1] = x.shape;
  const plane = sizeOf(x.shape.slice(2));
  const vector = plane % 4 === 0;
  const units = vector ? plane / 4 : plane;
  const across = Math.max(1, Math.ceil(units / (x.device.caps.software ? LONGEST.software : LONGEST.gpu)));
  const chunk = Math.ceil((SHORTEST * across) / Math.max(1, units));
  return {
    batch,
    channels,
    vector,
    units,
    across,
    chunk,
    slices: Math.ceil(batch / chunk) * across,
    count: batch * plane,
  };
}

interface NormAttrs {
  readonly eps: number;
}

/** Partial statistics that one invocation merges. */
const MERGED = 32;

/** Per-channel mean and biased variance of `x` into `[C]` tensors. */
function computeStats(x: Tensor, meanOut: Tensor, variance: Tensor): void {
  const { device } = x;
  const { batch, channels, vector, units, across, chunk, slices } = divide(x);
  let partial = device.empty([channels * slices, 4]);
  device.dispatch({
    kernel: slicesKernel,
    constants: { PASS: 'slices', VECTOR: vector },
    buffers: [x.range, partial.range],
    uniforms: [channels * slices, channels, batch, units, across, chunk, slices],
    workgroups: foldWorkgroups(Math.ceil((channels * slices) / 64)),
  });
  for (let left = slices; ;) {
    const last = left <= MERGED;
    const chunks = Math.ceil(left / MERGED);
    const merged = last ? undefined : device.empty([channels * chunks, 4]);
    device.dispatch({
      kernel: merged ? slicesKernel : lastKernel,
      constants: { PASS: last ? 'last' : 'merge' },
      buffers: [partial.range, ...(merged ? [merged.range] : [meanOut.range, variance.range])],
      uniforms: [channels * chunks, channels, batch, units, across, MERGED, left],
      workgroups: foldWorkgroups(Math.ceil((channels * chunks) / 64)),
    });
    partial.dispose();
    if (!merged) return;
    partial = merged;
    left = chunks;
  }
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
  const { batch, channels, vector, units, across } = divide(x);
  const invocations = batch * channels * across;
  const { mean: center, beta } = affine;
  const linear = !center || !beta;
  const buffers = [x, affine.variance, affine.gamma, y, ...(linear ? [] : [center, beta])];
  x.device.dispatch({
    kernel: linear ? scaleKernel : applyKernel,
    constants: { LINEAR: linear, VECTOR: vector },
    buffers: buffers.map((tensor) => tensor.range),
    uniforms: [invocations, channels, units, across, float(eps)],
    workgroups: foldWorkgroups(Math.ceil(invocations / 64)),
    label: linear ? 'batchNorm2d eval backward' : 'batchNorm2d',
    ...(vector && !linear && { elementwise: normalization(x, channels, units, eps) }),
  });
}

/** The same for fusion, of bindings as above. */
function normalization(x: Tensor, channels: number, plane: number, eps: number): ElementwiseCall {
  const perChannel = (binding: number) => ({ kind: 'channel', binding, plane, channels }) as const;
  return {
    function: 'normalize',
    // Mean, variance, gamma, beta.
    arguments: [
      { kind: 'vector', binding: 0 },
      ...[4, 1, 2, 5].map(perChannel),
      { kind: 'attribute', word: float(eps) },
    ],
    vectors: x.size / 4,
  };
}

/** A per-channel `[C]` tensor shaped to broadcast over `[N, C, H, W]`. */
function perChannel(values: Tensor): Tensor {
  return reshape(values, [1, values.size, 1, 1]);
}

const OVER_CHANNEL = [0, 2, 3];

/** What both are tested on: planes that do and do not divide into vectors, one sample, planes of one element. */
const SHAPES: readonly Shape[] = [
  [3, 2, 2, 2],
  [2, 3, 3, 3],
  [1, 2, 1, 5],
  [5, 1, 1, 1],
  [3, 2, 17, 19],
];

/** The samples, with one draw for each input of a value to a channel. */
function samplesOf(...perChannelDraws: readonly (InputDraw | null)[]): OpSample<NormAttrs>[] {
  return SHAPES.map((shape) => ({
    shapes: [shape, ...perChannelDraws.map(() => shape.slice(1, 2))],
    attrs: { eps: 1e-5 },
    draws: [null, ...perChannelDraws],
  }));
}

/** Inputs x, gamma, beta; outputs y and the batch's mean and biased variance. */
const trainOp: Op<NormAttrs> = defineOp<NormAttrs>({
  name: 'batchNorm2dTrain',
  summary: 'Batch normalisation by the statistics of the batch.',
  samples: samplesOf(null, null),
  infer: (inputs) => {
    const { shape } = nth(inputs, 0);
    expectDType('batchNorm2dTrain', inputs, 'f32');
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
    const division = divide(x);
    const { batch, channels, across } = division;
    const dx = x.device.empty(x.shape);
    const buffers = [x, g, statistics.mean, statistics.variance, sums.dgamma, sums.dbeta, gamma, dx];
    x.device.dispatch({
      kernel: backwardInputKernel,
      constants: { PASS: 'input', VECTOR: division.vector },
      buffers: buffers.map((tensor) => tensor.range),
      uniforms: backwardWords(batch * channels * across, division, attrs.eps),
      workgroups: foldWorkgroups(Math.ceil((batch * channels * across) / 64)),
    });
    return [dx, sums.dgamma, sums.dbeta];
  },
});

function backwardWords(invocations: number, division: Division, eps: number): number[] {
  const { channels, batch, units, across, chunk, slices, count } = division;
  return [invocations, channels, batch, units, across, chunk, slices, float(eps), float(count)];
}

/** sum g xhat and sum g over each channel. */
function channelSums(
  x: Tensor,
  g: Tensor,
  { mean: center, variance }: Pick<Affine, 'mean' | 'variance'>,
  eps: number,
): { dgamma: Tensor; dbeta: Tensor } {
  const division = divide(x);
  const { channels, slices, vector } = division;
  const { device } = x;
  const [gammas, betas] = [device.empty([channels, slices]), device.empty([channels, slices])];
  device.dispatch({
    kernel: backwardSlicesKernel,
    constants: { PASS: 'slices', VECTOR: vector },
    buffers: [x, g, center, variance, gammas, betas].map((tensor) => tensor.range),
    uniforms: backwardWords(channels * slices, division, eps),
    workgroups: foldWorkgroups(Math.ceil((channels * slices) / 64)),
  });
  const total = (partial: Tensor): Tensor => {
    const result = device.empty([channels]);
    reduceInto(device, 'sum', partial, result, [1]);
    partial.dispose();
    return result;
  };
  return { dgamma: total(gammas), dbeta: total(betas) };
}

function evalBackward({ grads, inputs, attrs, needs }: BackwardCall<NormAttrs>): (Tensor | undefined)[] {
  const [g, x, gamma] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
  const [center, variance] = [perChannel(nth(inputs, 3)), perChannel(nth(inputs, 4))];
  const inverse = rsqrt(add(variance, attrs.eps));
  const ofVariance = (): Tensor => {
    const slope = mul(mul(inverse, mul(inverse, inverse)), mul(perChannel(gamma), -0.5));
    return sum(mul(g, mul(sub(x, center), slope)), OVER_CHANNEL);
  };
  return [
    needs[0] ? mul(g, mul(inverse, perChannel(gamma))) : undefined,
    needs[1] ? sum(mul(g, mul(sub(x, center), inverse)), OVER_CHANNEL) : undefined,
    needs[2] ? sum(g, OVER_CHANNEL) : undefined,
    needs[3] ? neg(sum(mul(g, mul(inverse, perChannel(gamma))), OVER_CHANNEL)) : undefined,
    needs[4] ? ofVariance() : undefined,
  ];
}

/** Inputs x, gamma, beta, mean, variance. */
const evalOp: Op<NormAttrs> = defineOp<NormAttrs>({
  name: 'batchNorm2dEval',
  summary: 'Batch normalisation by running statistics.',
  samples: samplesOf(null, null, null, { dtype: 'f32', range: [0.25, 4] }),
  infer: (inputs) => {
    expectDType('batchNorm2dEval', inputs, 'f32');
    return [{ shape: nth(inputs, 0).shape, dtype: 'f32' }];
  },
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

/** Each channel of `x` `[N, C, H, W]` with mean 0 and biased variance 1, by its own statistics. */
export function normalizeChannels(x: Tensor, eps: number): Tensor {
  const channels = x.shape.slice(1, 2);
  const { device } = x;
  return nth(apply(trainOp, [x, ones(channels, { device }), zeros(channels, { device })], { eps }), 0);
}

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
  /** Weight of the new batch in the running statistics; 0.1 by default. A tensor, f32 of one element, is asked on the GPU. */
  readonly momentum?: number | Tensor | undefined;
  /** Whether training moves the running statistics; true by default. */
  readonly tracking?: boolean;
  /** Added to the variance; 1e-5 by default. */
  readonly eps?: number;
}

/**
 * Batch normalisation of `x` `[N, C, H, W]` over N, H and W, as PyTorch's: training divides by the biased variance of the
 * batch and moves the running statistics towards the batch's mean and unbiased variance, on the GPU; evaluation uses the
 * running statistics and leaves them. (Ioffe & Szegedy, 2015.)
 */
export function batchNorm2d(x: Tensor, options: BatchNormOptions): Tensor {
  if (x.dtype === 'f16') return inF32(x, (widened) => batchNorm2d(widened, options));
  const { runningMean, runningVar, training, momentum = 0.1, tracking = true, eps = 1e-5 } = options;
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
  if (!tracking) return nth([y], 0);
  const weighed = typeof momentum === 'number' ? undefined : momentum;
  if (weighed) expectScalar(weighed);
  const buffers = [nth([center], 0), nth([variance], 0), runningMean, runningVar, ...(weighed ? [weighed] : [])];
  x.device.dispatch({
    kernel: weighed ? weighedKernel : runningKernel,
    constants: { WEIGHED: weighed !== undefined },
    buffers: buffers.map((tensor) => tensor.range),
    uniforms: [channels, float(typeof momentum === 'number' ? momentum : 0), float(count / (count - 1))],
    workgroups: [Math.ceil(channels / 64)],
  });
  runningMean.markWritten();
  runningVar.markWritten();
  return nth([y], 0);
}

function expectScalar(momentum: Tensor): void {
  expectDType('batchNorm2d: momentum', [momentum], 'f32');
  if (momentum.size === 1) return;
  throw new ShapeError(`batchNorm2d: momentum of shape ${formatShape(momentum.shape)}; expected one element`);
}
