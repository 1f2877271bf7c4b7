import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DTypeError,
  ShapeError,
  batchNorm2d,
  full,
  grad,
  ones,
  tensor,
  zeros,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { expectDerivatives, expectForward, type OpCheck } from '../support/op-check.js';
import { at, build, distance, forEachIndex, sizeOf, type NdArray, type Reference } from '../support/reference.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const EPS = 1e-5;

interface Statistics {
  readonly mean: readonly number[];
  readonly variance: readonly number[];
}

/** Mean and biased variance of each channel, in two passes. */
function statistics(x: NdArray): Statistics {
  const [, channels = 0] = x.shape;
  const count = x.data.length / channels;
  const average = (value: (flat: number, c: number) => number): number[] => {
    const sums = new Array<number>(channels).fill(0);
    forEachIndex(x.shape, ([, c = 0], flat) => {
      sums[c] = (sums[c] ?? 0) + value(flat, c);
    });
    return sums.map((sum) => sum / count);
  };
  const mean = average((flat) => x.data[flat] ?? Number.NaN);
  return { mean, variance: average((flat, c) => ((x.data[flat] ?? Number.NaN) - (mean[c] ?? 0)) ** 2) };
}

function normalise(x: NdArray, gamma: NdArray, beta: NdArray, { mean, variance }: Statistics): NdArray {
  return build(x.shape, (index) => {
    const c = index[1] ?? 0;
    const xhat = (at(x, index) - (mean[c] ?? 0)) / Math.sqrt((variance[c] ?? 0) + EPS);
    return xhat * at(gamma, [c]) + at(beta, [c]);
  });
}

/** Batch norm of (x, gamma, beta) by its definition, with given statistics or the batch's own. */
const definition =
  (fixed?: Statistics): Reference =>
  ([x, gamma, beta]) => {
    if (!x || !gamma || !beta) throw new RangeError('batch norm takes three inputs');
    return normalise(x, gamma, beta, fixed ?? statistics(x));
  };

const RUNNING: Statistics = { mean: [0.5, -1, 2], variance: [1.5, 0.25, 4] };

/** Planes that do and do not divide into vectors; one sample; planes of one element. */
const shapes: readonly NdArray['shape'][] = [
  [3, 2, 2, 2],
  [2, 3, 3, 3],
  [1, 2, 1, 5],
  [5, 1, 1, 1],
];

const checks: OpCheck[] = shapes.flatMap((shape) =>
  [true, false].map((training): OpCheck => {
    const channels = shape[1] ?? 0;
    const fixed = { mean: RUNNING.mean.slice(0, channels), variance: RUNNING.variance.slice(0, channels) };
    return {
      name: `batchNorm2d ${JSON.stringify(shape)}, ${training ? 'training' : 'evaluation'}`,
      shapes: [shape, [channels], [channels]],
      call: ([x, weight, bias]) =>
        x &&
        batchNorm2d(x, {
          ...{ weight: weight ?? null, bias: bias ?? null, training, eps: EPS },
          runningMean: tensor(fixed.mean, { device }),
          runningVar: tensor(fixed.variance, { device }),
        }),
      definition: definition(training ? undefined : fixed),
    };
  }),
);

describe('batchNorm2d', () => {
  it.each(checks)('$name computes its definition', (check) => expectForward(device, check, { forward: 3e-6 }));
  it.each(checks)('$name has its derivatives', (check) => expectDerivatives(device, check, { second: 3e-4 }));

  /** Shapes whose channels are shared among many invocations and merged in one pass or several. */
  const large: readonly (readonly [number, number, number, number])[] = [
    [4, 3, 64, 64],
    [64, 2, 28, 28],
    [3, 2, 91, 77],
    [2100, 3, 2, 1],
    [1, 1, 300, 400],
  ];
  it.each(large)('has its statistics and gradients on [%i, %i, %i, %i]', async (...shape) => {
    const x: NdArray = { shape, data: Float64Array.from(uniformFloats(sizeOf(shape), 4, -1, 3)) };
    const channels = shape[1];
    const { mean, variance } = statistics(x);
    const [runningMean, runningVar] = [zeros([channels], { device }), zeros([channels], { device })];
    const input = tensor(Float32Array.from(x.data), { shape, device }).requireGrad();
    const weight = full([channels], 1.5, { device }).requireGrad();
    const y = batchNorm2d(input, { weight, runningMean, runningVar, training: true, momentum: 1 });
    const count = x.data.length / channels;
    const unbiased = variance.map((value) => (value * count) / (count - 1));
    expect(distance(await runningMean.data(), mean).error).toBeLessThanOrEqual(1e-6 * distance(mean, mean).norm);
    expect(distance(await runningVar.data(), unbiased).error).toBeLessThanOrEqual(
      1e-6 * distance(unbiased, unbiased).norm,
    );

    // The gradients of sum(y^2) / 2: g = y, so dgamma = sum y xhat and dx = 0 up to eps and rounding of gamma^2 xhat.
    const xhat = normalise(
      x,
      { shape: [channels], data: new Float64Array(channels).fill(1) },
      { shape: [channels], data: new Float64Array(channels) },
      { mean, variance },
    );
    const [dx, dgamma] = grad(y, [input, weight], { gradOutput: y.detach() });
    const scale = 1.5 * count;
    const expected = variance.map((value) => (scale * value) / (value + EPS));
    expect(distance((await dgamma?.data()) ?? [], expected).error).toBeLessThanOrEqual(
      2e-6 * distance(expected, expected).norm,
    );
    const size = distance(xhat.data, xhat.data).norm;
    expect(distance((await dx?.data()) ?? [], new Float64Array(x.data.length)).error).toBeLessThanOrEqual(3e-5 * size);
  });

  it('keeps its accuracy where the mean is far larger than the spread', async () => {
    const shape = [8, 1, 7, 8];
    const x: NdArray = { shape, data: Float64Array.from(uniformFloats(sizeOf(shape), 4, 4096, 4097)) };
    const { variance } = statistics(x);
    const runningVar = zeros([1], { device });
    batchNorm2d(tensor(Float32Array.from(x.data), { shape, device }), {
      ...{ runningMean: zeros([1], { device }), runningVar, training: true, momentum: 1 },
    });
    const count = x.data.length;
    expect((await runningVar.item()) / (((variance[0] ?? 0) * count) / (count - 1)) - 1).toBeCloseTo(0, 4);
  });

  it('moves the running statistics by momentum in training and leaves them in evaluation', async () => {
    const x = tensor([1, 2, 3, 6], { shape: [1, 1, 2, 2], device });
    const [runningMean, runningVar] = [full([1], 10, { device }), full([1], 20, { device })];
    const run = (training: boolean): Tensor => batchNorm2d(x, { runningMean, runningVar, training, momentum: 0.25 });
    run(true);
    run(false);
    // Mean 3, biased variance 3.5, unbiased 14/3.
    expect(await runningMean.item()).toBeCloseTo(0.75 * 10 + 0.25 * 3, 5);
    expect(await runningVar.item()).toBeCloseTo(0.75 * 20 + 0.25 * (14 / 3), 5);
    run(true);
    expect(await runningMean.item()).toBeCloseTo(0.75 * 8.25 + 0.25 * 3, 5);
  });

  it('needs no read-back', () => {
    const before = device.counters.readbacks;
    const [runningMean, runningVar] = [zeros([2], { device }), ones([2], { device })];
    batchNorm2d(ones([2, 2, 3, 3], { device }), { runningMean, runningVar, training: true });
    expect(device.counters.readbacks).toBe(before);
  });

  it('says what would be right', () => {
    const [runningMean, runningVar] = [zeros([3], { device }), ones([3], { device })];
    const options = { runningMean, runningVar, training: true };
    expect(() => batchNorm2d(zeros([1, 3, 1, 1], { device }), options)).toThrow(/training needs more than 1/);
    expect(() => batchNorm2d(zeros([2, 2, 3, 3], { device }), options)).toThrow(ShapeError);
    expect(() => batchNorm2d(zeros([2, 3], { device }), options)).toThrow(/expected \[N, C, H, W\] and C values each/);
    expect(() => batchNorm2d(zeros([2, 3, 1, 1], { device, dtype: 'i32' }), options)).toThrow(DTypeError);
  });
});
