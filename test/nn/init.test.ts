import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShapeError, type Device } from '../../engine/index.js';
import { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { Conv2d, Linear, init } from '../../nn/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const generator = (seed = 5): Generator => new Generator(seed, { purpose: 'init' });

async function momentsOf(tensor: Tensor): Promise<{ mean: number; std: number; largest: number }> {
  const values = await tensor.floats();
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, std: Math.sqrt(variance), largest: values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) };
}

describe('fans', () => {
  it('count the kernel, and the inputs of one group', () => {
    expect(init.fans([64, 32, 3, 5])).toEqual({ fanIn: 480, fanOut: 960 });
    expect(init.fans([10, 200])).toEqual({ fanIn: 200, fanOut: 10 });
  });

  it('refuses a shape without fans', () => {
    expect(() => init.fans([10])).toThrow(ShapeError);
  });
});

describe('kaiming initialisation', () => {
  // 92,160 values: the mean's standard error is std / 303, the standard deviation's about std / 429.
  const shape = [64, 160, 3, 3];
  const [fanIn, fanOut] = [1440, 576];

  it.each([
    ['fanIn', 0, Math.sqrt(2 / fanIn)],
    ['fanOut', 0, Math.sqrt(2 / fanOut)],
    ['fanIn', 1, Math.sqrt(1 / fanIn)],
  ] as const)('normal, %s with slope %d has standard deviation %d', async (mode, a, expected) => {
    const { mean, std } = await momentsOf(init.kaimingNormal(device.empty(shape), { mode, a, generator: generator() }));
    expect(Math.abs(mean)).toBeLessThan((4 * expected) / 303);
    expect(Math.abs(std - expected)).toBeLessThan((4 * expected) / 429);
  });

  it('uniform fills [-bound, bound) evenly', async () => {
    const bound = Math.sqrt(6 / fanIn);
    const { mean, std, largest } = await momentsOf(
      init.kaimingUniform(device.empty(shape), { generator: generator() }),
    );
    expect(Math.abs(mean)).toBeLessThan((4 * bound) / 303);
    expect(Math.abs(std - bound / Math.sqrt(3))).toBeLessThan((4 * bound) / 429);
    expect(largest).toBeLessThanOrEqual(Math.fround(bound));
    expect(largest).toBeGreaterThan(bound * 0.999);
  });

  it('draws what the generator gives on the CPU, bit for bit', async () => {
    const uniform = init.kaimingUniform(device.empty([7, 5]), { a: Math.sqrt(5), generator: generator(1) });
    const bound = Math.sqrt(3) * Math.sqrt(2 / (1 + Math.sqrt(5) ** 2) / 5);
    expect(await uniform.floats()).toEqual(generator(1).uniform(35, bound));
    const normal = init.kaimingNormal(device.empty([3, 4, 3, 3]), { generator: generator(2) });
    expect(await normal.floats()).toEqual(generator(2).normal(108, Math.sqrt(2 / 36)));
  });
});

describe('constant and zeros', () => {
  it('overwrite in place', async () => {
    const tensor = device.empty([5]);
    expect(await init.constant(tensor, 2.5).toArray()).toEqual([2.5, 2.5, 2.5, 2.5, 2.5]);
    expect(init.zeros(tensor)).toBe(tensor);
    expect(await tensor.toArray()).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('a new layer', () => {
  it('starts uniform in +-1 / sqrt(fanIn), weight and bias', async () => {
    const linear = new Linear(400, 300, { device, generator: generator() });
    const { std, largest } = await momentsOf(linear.weight);
    expect(largest).toBeLessThanOrEqual(0.05 * (1 + 1e-6));
    expect(std).toBeCloseTo(0.05 / Math.sqrt(3), 3);
    if (!linear.bias) throw new Error('a bias was expected');
    const bias = await momentsOf(linear.bias);
    expect(bias.largest).toBeLessThanOrEqual(0.05);
    expect(bias.largest).toBeGreaterThan(0.045);
    linear.dispose();
  });

  it('has the fan of one group where there are groups', async () => {
    const conv = new Conv2d(8, 64, 3, { device, groups: 4, generator: generator() });
    const { largest } = await momentsOf(conv.weight);
    const bound = 1 / Math.sqrt(18);
    expect(largest).toBeLessThanOrEqual(bound * (1 + 1e-6));
    expect(largest).toBeGreaterThan(bound * 0.98);
    conv.dispose();
  });

  it('depends on the seed alone', async () => {
    const make = (seed: number): Promise<Float32Array> =>
      new Linear(6, 4, { device, generator: generator(seed) }).weight.floats();
    expect(await make(3)).toEqual(await make(3));
    expect(await make(3)).not.toEqual(await make(4));
  });
});
