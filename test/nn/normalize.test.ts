import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fgsm } from '../../adversarial/index.js';
import { ArgumentError, Generator, ShapeError, gradcheck, tensor, type Device } from '../../engine/index.js';
import {
  CIFAR100_STATISTICS,
  CIFAR10_STATISTICS,
  Normalize,
  normalized,
  preactResnet18,
  Conv2d,
  Flatten,
  Linear,
  Sequential,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('Normalize', () => {
  it('subtracts the mean of each channel and divides by its deviation', async () => {
    const layer = new Normalize({ device, mean: [0.5, 0.25], std: [0.2, 0.3] });
    const values = uniformFloats(3 * 2 * 5, 1, 0, 1);
    const y = await layer.forward(tensor(values, { device, shape: [3, 2, 5, 1] })).floats();
    for (const [at, value] of values.entries()) {
      const odd = Math.floor(at / 5) % 2 === 1;
      expect(y[at]).toBeCloseTo((value - (odd ? 0.25 : 0.5)) / (odd ? 0.3 : 0.2), 5);
    }
    layer.dispose();
  });

  it('has the gradient of a scale', async () => {
    const layer = new Normalize({ device, ...CIFAR10_STATISTICS });
    const x = tensor(uniformFloats(2 * 3 * 4, 2, 0, 1), { device, shape: [2, 3, 2, 2] });
    expect(await gradcheck((input) => layer.forward(input), [x])).toHaveLength(1);
    layer.dispose();
  });

  it('keeps its numbers as buffers, which are saved and not learned', () => {
    const layer = new Normalize({ device, ...CIFAR100_STATISTICS });
    expect([...layer.stateDict()].map(([key, { shape }]) => [key, shape])).toEqual([
      ['mean', [1, 3, 1, 1]],
      ['std', [1, 3, 1, 1]],
    ]);
    expect(layer.parameters()).toEqual([]);
    layer.dispose();
  });

  it('refuses numbers that cannot be, and images of other channels', () => {
    const make = (mean: number[], std: number[]) => () => new Normalize({ device, mean, std });
    expect(make([0.5, 0.5], [0.2])).toThrow(/2 means and 1 deviations; expected one each a channel/);
    expect(make([], [])).toThrow(ArgumentError);
    expect(make([0.5], [0])).toThrow(/got 0; expected finite means, and standard deviations above 0/);
    expect(make([NaN], [1])).toThrow(/got NaN/);
    const layer = new Normalize({ device, mean: [0.5], std: [1] });
    const colour = tensor(new Float32Array(12), { device, shape: [1, 3, 2, 2] });
    expect(() => layer.forward(colour)).toThrow(ShapeError);
    layer.dispose();
  });
});

describe('normalized', () => {
  it('has the keys of the published wrapper', () => {
    const model = normalized(preactResnet18({ device, width: 0.05 }), CIFAR10_STATISTICS);
    const keys = [...model.stateDict().keys()];
    expect(keys.slice(0, 4)).toEqual([
      'normalize.mean',
      'normalize.std',
      'model.conv1.weight',
      'model.layer1.0.bn1.weight',
    ]);
    expect(keys).toContain('model.layer2.0.shortcut.0.weight');
    expect(keys.at(-1)).toBe('model.linear.bias');
    model.dispose();
  });

  it('is the model of normalised images, attacked in the units of the data', async () => {
    const generator = new Generator(1);
    const conv = new Conv2d(3, 4, 3, { device, generator });
    const inner = new Sequential(conv, new Flatten(), new Linear(4 * 36, 5, { device, generator }));
    const model = normalized(inner, CIFAR10_STATISTICS).eval();
    const values = uniformFloats(2 * 3 * 64, 3, 0, 1);
    const x = tensor(values, { device, shape: [2, 3, 8, 8] });
    const scaled = values.map((value, at) => {
      const channel = Math.floor(at / 64) % 3;
      return (value - (CIFAR10_STATISTICS.mean[channel] ?? 0)) / (CIFAR10_STATISTICS.std[channel] ?? 1);
    });
    const [got, right] = [model.forward(x), inner.forward(tensor(scaled, { device, shape: x.shape }))];
    const expected = await right.floats();
    for (const [at, value] of (await got.floats()).entries()) expect(value).toBeCloseTo(expected[at] ?? NaN, 4);
    const labels = tensor(Int32Array.of(1, 2), { device });
    const moved = await fgsm(model, x, labels, { eps: 0.03 }).floats();
    const changes = moved.map((value, at) => Math.abs(value - (values[at] ?? 0)));
    expect(Math.max(...changes)).toBeCloseTo(0.03, 6);
    expect(changes.filter((change) => change > 0.0299).length).toBeGreaterThan(300);
    model.dispose();
  });
});
