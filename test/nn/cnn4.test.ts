import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { Generator } from '../../engine/random.js';
import { SGD, cnn4, saveStateDict, type Cnn4, type Cnn4Init } from '../../nn/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const seeded = (seed: number): Generator => new Generator(seed, { purpose: 'init' });

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'feature_extractor.conv1.weight': [32, 1, 3, 3],
  'feature_extractor.conv1.bias': [32],
  'feature_extractor.conv2.weight': [32, 32, 3, 3],
  'feature_extractor.conv2.bias': [32],
  'feature_extractor.conv3.weight': [64, 32, 3, 3],
  'feature_extractor.conv3.bias': [64],
  'feature_extractor.conv4.weight': [64, 64, 3, 3],
  'feature_extractor.conv4.bias': [64],
  'classifier.fc1.weight': [200, 1024],
  'classifier.fc1.bias': [200],
  'classifier.fc2.weight': [200, 200],
  'classifier.fc2.bias': [200],
  'classifier.fc3.weight': [10, 200],
  'classifier.fc3.bias': [10],
};

function countOf(model: Cnn4): number {
  return model.parameters().reduce((sum, { size }) => sum + size, 0);
}

describe('cnn4', () => {
  it('has the published parameters under the published names', () => {
    const model = cnn4({ device });
    const shapes = [...model.stateDict()].map(([name, { shape }]) => [name, shape]);
    expect(shapes).toEqual(Object.entries(SHAPES));
    expect(countOf(model)).toBe(312_202);
    model.dispose();
  });

  it.each([
    [0.5, 16, 32],
    [0.25, 8, 16],
    [0.01, 1, 1],
  ])('at width %d has %d and %d channels, and 200 hidden units', (width, c1, c2) => {
    const model = cnn4({ device, width });
    const state = model.stateDict();
    expect(state.get('feature_extractor.conv2.weight')?.shape).toEqual([c1, c1, 3, 3]);
    expect(state.get('feature_extractor.conv4.weight')?.shape).toEqual([c2, c2, 3, 3]);
    expect(state.get('classifier.fc1.weight')?.shape).toEqual([200, 16 * c2]);
    model.dispose();
  });

  it('takes colour images of other sizes, and other numbers of classes', () => {
    const model = cnn4({ device, width: 0.25, inChannels: 3, imageSize: 32, classes: 7 });
    expect(model.forward(tensor(new Float32Array(2 * 3 * 32 * 32), { device, shape: [2, 3, 32, 32] })).shape).toEqual([
      2, 7,
    ]);
    model.dispose();
  });

  it('drops out in training only, from its own generator', async () => {
    const make = (): Cnn4 => {
      const dropoutGenerator = new Generator(1, { purpose: 'dropout' });
      const model = cnn4({ device, width: 0.25, generator: seeded(1), dropoutGenerator });
      // The last layer starts at zero, which would hide the dropout.
      const last = model.namedParameters().get('classifier.fc3.weight');
      last?.copyFrom(tensor(new Generator(2).uniform(2000, 1), { device, shape: [10, 200] }));
      return model;
    };
    const x = tensor(new Generator(3).uniform(784), { device, shape: [1, 1, 28, 28] });
    const [model, again] = [make(), make()];
    const first = await model.forward(x).data();
    expect(await model.forward(x).data()).not.toEqual(first);
    expect(await again.forward(x).data()).toEqual(first);
    const evaluated = await model.eval().forward(x).data();
    expect(await model.forward(x).data()).toEqual(evaluated);
    for (const each of [model, again]) each.dispose();
  });

  it('refuses options that cannot be', () => {
    expect(() => cnn4({ device, width: 0 })).toThrow(/cnn4: width is 0; expected a number above 0/);
    expect(() => cnn4({ device, classes: 2.5 })).toThrow(/cnn4: classes is 2.5/);
    expect(() => cnn4({ device, imageSize: 12 })).toThrow(/cnn4: imageSize is 12; expected an integer from 16 up/);
    expect(() => cnn4({ device, dropout: -1 })).toThrow(ArgumentError);
    const unknown = { device, init: 'xavier' as Cnn4Init };
    expect(() => cnn4(unknown)).toThrow(/unknown init 'xavier'; there are trades and kaimingNormal/);
  });
});

describe('the initial values of cnn4', () => {
  async function start(
    init: Cnn4Init,
    seed = 1,
  ): Promise<{ std: (name: string) => number; largest: (name: string) => number }> {
    const model = cnn4({ device, init, generator: seeded(seed) });
    const state = await saveStateDict(model);
    model.dispose();
    const values = (name: string): number[] => Array.from(state[name]?.data ?? [], Number);
    return {
      std: (name) => Math.sqrt(values(name).reduce((sum, value) => sum + value ** 2, 0) / values(name).length),
      largest: (name) => values(name).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    };
  }
  const fanIn = (name: string): number => (SHAPES[name] ?? []).slice(1).reduce((product, size) => product * size, 1);
  const weights = Object.keys(SHAPES).filter((name) => name.endsWith('.weight'));

  it("are the published ones with init 'trades'", async () => {
    const { std, largest } = await start('trades');
    for (const name of weights.filter((weight) => weight.includes('.conv'))) {
      const relativeError = std(name) / Math.sqrt(2 / fanIn(name)) - 1;
      expect(Math.abs(relativeError), name).toBeLessThan(name.includes('conv1') ? 0.15 : 0.04);
      expect(largest(name.replace('weight', 'bias')), name).toBe(0);
    }
    for (const name of ['classifier.fc1', 'classifier.fc2']) {
      const bound = 1 / Math.sqrt(fanIn(`${name}.weight`));
      expect(std(`${name}.weight`) / (bound / Math.sqrt(3))).toBeCloseTo(1, 1);
      for (const part of ['weight', 'bias']) {
        expect(largest(`${name}.${part}`)).toBeLessThanOrEqual(bound * (1 + 1e-6));
        expect(largest(`${name}.${part}`)).toBeGreaterThan(bound * 0.95);
      }
    }
    expect([largest('classifier.fc3.weight'), largest('classifier.fc3.bias')]).toEqual([0, 0]);
  });

  it("are Kaiming-normal with zero biases everywhere with init 'kaimingNormal', but for the last layer", async () => {
    const { std, largest } = await start('kaimingNormal');
    for (const name of weights.filter((weight) => !weight.includes('fc3'))) {
      const relativeError = std(name) / Math.sqrt(2 / fanIn(name)) - 1;
      expect(Math.abs(relativeError), name).toBeLessThan(name.includes('conv1') ? 0.15 : 0.04);
    }
    const zero = Object.keys(SHAPES).filter((name) => name.endsWith('.bias') || name.includes('fc3'));
    for (const name of zero) expect(largest(name), name).toBe(0);
  });

  it('depend on the seed alone', async () => {
    const state = async (seed: number): Promise<unknown> => {
      const model = cnn4({ device, width: 0.1, generator: seeded(seed) });
      const saved = await saveStateDict(model);
      model.dispose();
      return saved;
    };
    const [first, same, other] = [await state(1), await state(1), await state(2)];
    expect(same).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('tie all logits, with gradients in the last layer only', async () => {
    const model = cnn4({ device, width: 0.5, generator: seeded(1) }).eval();
    const x = tensor(new Generator(1).uniform(3 * 784), { device, shape: [3, 1, 28, 28] }).requireGrad();
    const logits = model.forward(x);
    expect(new Set(await logits.floats())).toEqual(new Set([0]));
    const last = model.namedParameters().get('classifier.fc3.weight');
    if (!last) throw new Error('the last layer has no weight');
    const [dx, dw] = grad(crossEntropy(logits, tensor(new Int32Array([1, 2, 3]), { device })), [x, last]);
    expect(new Set((await dx?.floats())?.map(Math.abs))).toEqual(new Set([0]));
    expect((await dw?.floats())?.some((value) => value !== 0)).toBe(true);
    model.dispose();
  });
});

describe('the 4-convolution network', () => {
  it('learns a batch by heart, in memory that stays flat', async () => {
    const model = cnn4({ device, width: 0.25, generator: seeded(1), init: 'kaimingNormal', dropout: 0 });
    const parameters = model.parameters();
    const sgd = new SGD(parameters, { lr: 0.01, momentum: 0.9 });
    // Image k is a white square in a place of its own.
    const isWhite = (k: number, pixel: number): boolean =>
      Math.floor(pixel / 28 / 9) === Math.floor(k / 3) && Math.floor((pixel % 28) / 9) === k % 3;
    const pixels = Float32Array.from({ length: 8 * 784 }, (_, at) => (isWhite(Math.floor(at / 784), at % 784) ? 1 : 0));
    const x = tensor(pixels, { device, shape: [8, 1, 28, 28] });
    const labels = tensor(Int32Array.from([0, 1, 2, 3, 4, 5, 6, 7]), { device });
    const step = (): Tensor =>
      device.scope(() => {
        const loss = crossEntropy(model.forward(x), labels);
        sgd.step(grad(loss, parameters));
        return loss;
      });
    const losses: number[] = [];
    const memory: unknown[] = [];
    for (let count = 0; count < 40; count++) {
      const loss = step();
      losses.push(await loss.item());
      loss.dispose();
      memory.push(device.memory());
    }
    expect(losses[0]).toBeCloseTo(Math.log(10), 5);
    expect(losses.at(-1)).toBeLessThan(0.01);
    expect(new Set(memory.slice(2).map((usage) => JSON.stringify(usage))).size).toBe(1);
    sgd.dispose();
    model.dispose();
  });
});
