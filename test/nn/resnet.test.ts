import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, Generator, grad, tensor, type Device } from '../../engine/index.js';
import { resnet18 } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('resnet18', () => {
  it("has the publication's parameters, and its shapes at every width", () => {
    const model = resnet18({ device });
    const count = model.parameters().reduce((sum, { size }) => sum + size, 0);
    expect(count).toBe(11_173_962);
    expect([...model.stateDict().keys()]).toContain('layer4.0.shortcut.1.running_var');
    model.dispose();
    const narrow = resnet18({ device, width: 0.125, classes: 7, inChannels: 1, generator: new Generator(1) });
    const x = tensor(uniformFloats(2 * 256, 1, 0, 1), { device, shape: [2, 1, 16, 16] });
    expect(narrow.forward(x).shape).toEqual([2, 7]);
    narrow.dispose();
  });

  it('differs between training and evaluation, and has gradients everywhere', async () => {
    const model = resnet18({ device, width: 0.0625, generator: new Generator(2) });
    const x = tensor(uniformFloats(3 * 3 * 256, 1, 0, 1), { device, shape: [3, 3, 16, 16] });
    model.train();
    const gradients = grad(model.forward(x).square().sum(), model.parameters());
    for (const gradient of gradients) {
      const values = await gradient.floats();
      expect(values.every(Number.isFinite)).toBe(true);
      expect(values.some((value) => value !== 0)).toBe(true);
    }
    const trained = await model.forward(x).floats();
    model.eval();
    expect(await model.forward(x).floats()).not.toEqual(trained);
    model.dispose();
  });

  it.each([{ width: 0 }, { width: Infinity }, { classes: 0 }, { inChannels: 1.5 }])('refuses %j', (options) => {
    expect(() => resnet18({ device, ...options })).toThrow(ArgumentError);
  });
});
