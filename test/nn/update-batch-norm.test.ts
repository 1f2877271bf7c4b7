import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, tensor, type Device, type Tensor } from '../../engine/index.js';
import { BatchNorm2d, Flatten, Linear, Sequential, keepStatistics, updateBatchNorm } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const [CHANNELS, SIDE] = [3, 2];
const PLANE = SIDE * SIDE;

/** Batches of several sizes, as an epoch has them. */
const SIZES = [4, 5, 2];
const valuesAt = (index: number): Float32Array<ArrayBuffer> =>
  uniformFloats((SIZES[index] ?? 0) * CHANNELS * PLANE, index + 1, -1, 2);
const batchAt = (index: number): Tensor =>
  tensor(valuesAt(index), { device, shape: [SIZES[index] ?? 0, CHANNELS, SIDE, SIDE] });

/** Mean and unbiased variance of each channel in a batch, in float64. */
function statisticsOf(values: Float32Array): { mean: number; variance: number }[] {
  return Array.from({ length: CHANNELS }, (_, channel) => {
    const own = Array.from(values).filter((_value, i) => Math.floor(i / PLANE) % CHANNELS === channel);
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    return { mean, variance: own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (own.length - 1) };
  });
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Expects running statistics to be the plain mean over the batches of these numbers. */
async function expectMeans(layer: BatchNorm2d, numbers: readonly number[]): Promise<void> {
  const batches = numbers.map((index) => statisticsOf(valuesAt(index)));
  const [mean, variance] = [await layer.runningMean.floats(), await layer.runningVar.floats()];
  for (let channel = 0; channel < CHANNELS; channel++) {
    const expectedMean = meanOf(batches.map((batch) => batch[channel]?.mean ?? NaN));
    const expectedVariance = meanOf(batches.map((batch) => batch[channel]?.variance ?? NaN));
    expect(Math.abs((mean[channel] ?? NaN) - expectedMean)).toBeLessThan(1e-6);
    expect(Math.abs((variance[channel] ?? NaN) - expectedVariance)).toBeLessThan(2e-6);
  }
  const counted = layer.namedBuffers().get('num_batches_tracked');
  expect(await counted?.item()).toBe(numbers.length);
}

describe('BatchNorm2d with momentum null', () => {
  it.each(['eager', 'captured'])('keeps the plain mean over the batches, %s', async (mode) => {
    const layer = new BatchNorm2d(CHANNELS, { device, momentum: null });
    const pass = (x: Tensor): Tensor => layer.forward(x);
    const call = mode === 'captured' ? compile(pass) : Object.assign(pass, { dispose: () => undefined });
    for (const index of [0, 1, 0, 2]) call(batchAt(index));
    await expectMeans(layer, [0, 1, 0, 2]);
    call.dispose();
  });

  it('goes by the count that a checkpoint had', async () => {
    const [first, second] = [1, 2].map(() => new BatchNorm2d(CHANNELS, { device, momentum: null }));
    if (!first || !second) throw new Error('two layers');
    first.forward(batchAt(0));
    first.forward(batchAt(1));
    second.loadStateDict(first.stateDict());
    second.forward(batchAt(2));
    await expectMeans(second, [0, 1, 2]);
  });

  it('is captured anew where the momentum is another later', async () => {
    const layer = new BatchNorm2d(CHANNELS, { device, momentum: 0.5 });
    const call = compile((x: Tensor) => layer.forward(x));
    call(batchAt(0));
    layer.resetRunningStatistics();
    layer.momentum = null;
    for (const index of [1, 2]) call(batchAt(index));
    await expectMeans(layer, [1, 2]);
    expect(() => (layer.momentum = 2)).toThrow(/momentum is 2; expected a number from 0 to 1, or null/);
    call.dispose();
  });
});

describe('keepStatistics', () => {
  it.each(['eager', 'captured'])('leaves running statistics and count alone in training mode, %s', async (mode) => {
    const model = new Sequential(new BatchNorm2d(CHANNELS, { device }), new Flatten());
    const [layer] = model.modules().filter((module) => module instanceof BatchNorm2d);
    if (!layer) throw new Error('a layer');
    const pass = (x: Tensor): Tensor[] => [keepStatistics(model, () => model.forward(x)), model.forward(x)];
    const call = mode === 'captured' ? compile(pass) : Object.assign(pass, { dispose: () => undefined });
    const plain = new BatchNorm2d(CHANNELS, { device });
    for (const index of [0, 1]) {
      const [kept, moved] = call(batchAt(index));
      plain.forward(batchAt(index));
      // Both normalise by the batch.
      expect(await kept?.floats()).toEqual(await moved?.floats());
      expect(await layer.runningMean.floats()).toEqual(await plain.runningMean.floats());
      expect(await layer.runningVar.floats()).toEqual(await plain.runningVar.floats());
    }
    expect(await layer.namedBuffers().get('num_batches_tracked')?.item()).toBe(2);
    expect(() =>
      keepStatistics(model, () => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(layer.tracking).toBe(true);
    call.dispose();
  });
});

describe('updateBatchNorm', () => {
  it('takes plain means over the batches, and gives modes and momenta back', async () => {
    const [first, second] = [
      new BatchNorm2d(CHANNELS, { device }),
      new BatchNorm2d(CHANNELS, { device, momentum: 0.3 }),
    ];
    const model = new Sequential(first, second);
    for (const index of [0, 1, 2, 0]) model.forward(batchAt(index));
    first.eval();
    const memory = device.memory().tensors;
    await updateBatchNorm(model, [0, 1, 2].map(batchAt));
    await expectMeans(first, [0, 1, 2]);
    expect([first.momentum, second.momentum]).toEqual([0.1, 0.3]);
    expect([model.training, first.training, second.training]).toEqual([true, false, true]);
    // The three batches, which are the caller's.
    expect(device.memory().tensors - memory).toBe(3);
    // The second has what the first gives out: mean 0 and, unbiased, n / (n - 1) but for eps.
    expect(Math.max(...(await second.runningMean.floats()).map(Math.abs))).toBeLessThan(1e-6);
    const unbiased = meanOf(SIZES.map((size) => (size * PLANE) / (size * PLANE - 1)));
    for (const value of await second.runningVar.floats()) expect(Math.abs(value - unbiased)).toBeLessThan(1e-3);
  });

  it('takes batches as they come, and gives everything back where they end in an error', async () => {
    const layer = new BatchNorm2d(CHANNELS, { device }).eval();
    async function* batches(): AsyncGenerator<Tensor> {
      yield batchAt(1);
      await Promise.resolve();
      yield batchAt(2);
    }
    await updateBatchNorm(layer, batches());
    await expectMeans(layer, [1, 2]);
    const wrong = tensor([1, 2], { device });
    await expect(updateBatchNorm(layer, [batchAt(0), wrong])).rejects.toThrow(/batchNorm2d: input \[2\]/);
    expect([layer.momentum, layer.training]).toEqual([0.1, false]);
  });

  it('leaves a model without batch norm alone, and its batches', async () => {
    const model = new Linear(2, 2, { device });
    const never = {
      [Symbol.iterator]: (): Iterator<Tensor> => {
        throw new Error('asked for batches');
      },
    };
    await expect(updateBatchNorm(model, never)).resolves.toBeUndefined();
  });
});
