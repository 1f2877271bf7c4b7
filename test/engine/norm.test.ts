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
import { distance, sizeOf, type NdArray } from '../support/reference.js';
import { channelStatistics } from '../support/references/norm.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const EPS = 1e-5;

describe('batchNorm2d', () => {
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
    const { mean, variance } = channelStatistics(x);
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
    const [dx, dgamma] = grad(y, [input, weight], { gradOutput: y.detach() });
    const scale = 1.5 * count;
    const expected = variance.map((value) => (scale * value) / (value + EPS));
    expect(distance((await dgamma?.data()) ?? [], expected).error).toBeLessThanOrEqual(
      2e-6 * distance(expected, expected).norm,
    );
    // The norm of xhat, whose elements have the mean square variance / (variance + eps).
    const size = Math.sqrt(variance.reduce((sum, value) => sum + (count * value) / (value + EPS), 0));
    expect(distance((await dx?.data()) ?? [], new Float64Array(x.data.length)).error).toBeLessThanOrEqual(3e-5 * size);
  });

  it('keeps its accuracy where the mean is far larger than the spread', async () => {
    const shape = [8, 1, 7, 8];
    const x: NdArray = { shape, data: Float64Array.from(uniformFloats(sizeOf(shape), 4, 4096, 4097)) };
    const { variance } = channelStatistics(x);
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
