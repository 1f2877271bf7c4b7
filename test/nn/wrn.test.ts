import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Generator, slice, tensor, type Device, type Tensor } from '../../engine/index.js';
import { Conv2d, saveStateDict, wrn, type WideResNet } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** A small one with the values of a seed. */
function small(options: { dropout?: number; dropoutSeed?: number } = {}): WideResNet {
  const { dropout = 0, dropoutSeed = 1 } = options;
  const dropoutGenerator = new Generator(dropoutSeed, { purpose: 'dropout' });
  const generator = new Generator(7, { purpose: 'init' });
  return wrn({ device, depth: 10, widen: 2, width: 0.25, dropout, generator, dropoutGenerator });
}

describe('wrn', () => {
  it('starts from normal convolutions by fan-out, zero biases and the default linear weight', async () => {
    const model = wrn({ device, depth: 10, widen: 2, generator: new Generator(1) });
    const state = await saveStateDict(model);
    const values = (key: string): number[] => Array.from(state[key]?.data ?? [], Number);
    const largest = (key: string): number => values(key).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [key, { shape, data }] of Object.entries(state)) {
      const [out = 0, , kernel = 0] = shape;
      if (shape.length !== 4) continue;
      const std = Math.sqrt(values(key).reduce((sum, value) => sum + value ** 2, 0) / data.length);
      // Five standard errors of a standard deviation.
      const allowed = 5 / Math.sqrt(2 * data.length);
      expect(Math.abs(std / Math.sqrt(2 / (kernel * kernel * out)) - 1), key).toBeLessThan(allowed);
      // Normal, not uniform, whose largest value would be sqrt(3) of it.
      expect(largest(key) / std, key).toBeGreaterThan(2.2);
    }
    expect(new Set(values('fc.bias'))).toEqual(new Set([0]));
    const bound = 1 / Math.sqrt(128);
    expect(largest('fc.weight')).toBeLessThanOrEqual(bound * (1 + 1e-6));
    expect(largest('fc.weight')).toBeGreaterThan(0.98 * bound);
    expect(new Set(values('bn1.weight'))).toEqual(new Set([1]));
    model.dispose();
  });

  it("pads as TensorFlow does with padding 'same', images of odd size too", async () => {
    const x = tensor(uniformFloats(2 * 3 * 81, 1, 0, 1), { device, shape: [2, 3, 9, 9] });
    const common = { device, depth: 10, widen: 1, width: 0.25 } as const;
    const [same, symmetric] = (['same', 'symmetric'] as const).map((padding) =>
      wrn({ ...common, padding, generator: new Generator(7) }).eval(),
    );
    if (!same || !symmetric) throw new Error('two networks were made');
    expect([...same.stateDict().keys()]).toEqual([...symmetric.stateDict().keys()]);
    const difference = async (images: Tensor): Promise<number> => {
      const [a, b] = [await same.forward(images).floats(), await symmetric.forward(images).floats()];
      return Math.max(...a.map((value, index) => Math.abs(value - (b[index] ?? NaN))));
    };
    // 9 and 5 are odd: the zeros are on both sides.
    expect(await difference(x)).toBeLessThan(1e-5);
    expect(await difference(slice(x, [null, null, { end: 8 }, { end: 8 }]))).toBeGreaterThan(0.01);
    expect(() => wrn({ ...common, padding: 'reflect' as 'same' })).toThrow(
      /^wrn: unknown padding 'reflect'; there are symmetric, same$/,
    );
    for (const model of [same, symmetric]) model.dispose();
  });

  it('drops out between the convolutions of a block, in training, from its own generator', async () => {
    const x = tensor(uniformFloats(2 * 3 * 144, 1, 0, 1), { device, shape: [2, 3, 12, 12] });
    const logits = async (model: WideResNet): Promise<number[]> => [...(await model.forward(x).floats())];
    const [half, again, plain] = [small({ dropout: 0.5 }), small({ dropout: 0.5 }), small()];
    const first = await logits(half);
    expect(await logits(half)).not.toEqual(first);
    expect(await logits(again)).toEqual(first);
    // All dropped: what a block adds to its shortcut is what its second convolution makes of zeros, as with a weight of zeros.
    const [all, cut] = [small({ dropout: 1 }), small()];
    for (const [name, module] of cut.namedModules()) {
      if (module instanceof Conv2d && name.endsWith('.conv2')) module.weight.copyFrom(module.weight.zerosLike());
    }
    expect(await logits(all)).toEqual(await logits(cut));
    for (const model of [half, plain, all]) model.eval();
    const evaluated = await logits(small().eval());
    expect(await logits(plain)).toEqual(evaluated);
    expect(await logits(small({ dropout: 1 }).eval())).toEqual(evaluated);
  });
});
