import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Generator, grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { BatchNorm2d, Conv2d } from '../../nn/index.js';
import { convBatchNorm } from '../../nn/layers/conv-batch-norm.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const draw = (shape: number[], seed: number, low = -1, high = 1): Tensor =>
  tensor(
    uniformFloats(
      shape.reduce((product, extent) => product * extent, 1),
      seed,
      low,
      high,
    ),
    { device, shape },
  );

async function expectClose(got: Tensor, expected: Tensor): Promise<void> {
  const [mine, right] = [await got.floats(), await expected.floats()];
  const size = Math.hypot(...right);
  const apart = Math.hypot(...mine.map((value, at) => value - (right[at] ?? NaN)));
  // Two roundings of a sum of 27 products, in another order.
  expect(apart).toBeLessThanOrEqual(2e-6 * size);
}

describe('convBatchNorm', () => {
  const forms = [
    { bias: false, affine: true, training: false },
    { bias: true, affine: true, training: false },
    { bias: true, affine: false, training: false },
    { bias: false, affine: true, training: true },
  ];
  it.each(forms)('is one after the other, with the same derivatives: %j', async ({ bias, affine, training }) => {
    const conv = new Conv2d(3, 5, 3, { device, bias, padding: 1, stride: 2, generator: new Generator(1) });
    const norm = new BatchNorm2d(5, { device, affine });
    norm.runningMean.copyFrom(draw([5], 2));
    norm.runningVar.copyFrom(draw([5], 3, 0.5, 2));
    norm.weight?.copyFrom(draw([5], 4));
    norm.bias?.copyFrom(draw([5], 5));
    norm.train(training);
    const x = draw([2, 3, 9, 8], 6).requireGrad();
    const upstream = draw([2, 5, 5, 4], 7);
    const inputs = [x, ...conv.parameters(), ...norm.parameters()];
    const both = [convBatchNorm(conv, norm, x), norm.forward(conv.forward(x))] as const;
    await expectClose(both[0], both[1]);
    const [mine, right] = both.map((y) => grad(y, inputs, { gradOutput: upstream }));
    for (const [index, gradient] of (right ?? []).entries()) {
      const own = mine?.[index];
      if (own) await expectClose(own, gradient);
    }
    expect(mine).toHaveLength(inputs.length);
    conv.dispose();
    norm.dispose();
  });
});
