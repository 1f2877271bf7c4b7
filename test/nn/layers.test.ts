import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { conv2d } from '../../engine/ops/conv.js';
import { maxPool2d } from '../../engine/ops/max-pool.js';
import { Generator } from '../../engine/random.js';
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  saveStateDict,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** Values in [-1, 1) that depend on the shape alone. */
function input(...shape: number[]): Tensor {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return tensor(new Generator(size).uniform(size, 1), { device, shape });
}

describe('Conv2d', () => {
  it('is the convolution with its own parameters', async () => {
    const conv = new Conv2d(4, 6, [3, 2], { device, stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 });
    expect(conv.weight.shape).toEqual([6, 2, 3, 2]);
    const x = input(2, 4, 7, 8);
    const y = conv.forward(x);
    expect(y.shape).toEqual([2, 6, 4, 6]);
    const attrs = { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 } as const;
    expect(await y.data()).toEqual(await conv2d(x, conv.weight, conv.bias, attrs).data());
    conv.dispose();
  });

  it('has no bias where told', () => {
    const conv = new Conv2d(1, 2, 3, { device, bias: false });
    expect([...conv.stateDict().keys()]).toEqual(['weight']);
    expect(conv.forward(input(1, 1, 5, 5)).shape).toEqual([1, 2, 3, 3]);
    conv.dispose();
  });

  it('refuses sizes that cannot be', () => {
    expect(() => new Conv2d(0, 2, 3, { device })).toThrow(/Conv2d: inChannels is 0; expected an integer from 1 up/);
    expect(() => new Conv2d(1, 2, [3, 1.5], { device })).toThrow(/kernelSize is 3,1.5/);
    expect(() => new Conv2d(1, 2, 3, { device, padding: -1 })).toThrow(/padding is -1; expected an integer from 0 up/);
    expect(() => new Conv2d(4, 6, 3, { device, groups: 4 })).toThrow(ArgumentError);
  });
});

describe('Linear', () => {
  it('multiplies by the transposed weight and adds the bias', async () => {
    const linear = new Linear(2, 3, { device });
    linear.weight.copyFrom(
      tensor(
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        { device },
      ),
    );
    linear.bias?.copyFrom(tensor([10, 20, 30], { device }));
    expect(
      await linear
        .forward(
          tensor(
            [
              [1, 0],
              [-1, 1],
            ],
            { device },
          ),
        )
        .toArray(),
    ).toEqual([
      [11, 23, 35],
      [11, 21, 31],
    ]);
    linear.dispose();
  });

  it('refuses sizes that cannot be', () => {
    expect(() => new Linear(2, -1, { device })).toThrow(/Linear: outFeatures is -1/);
  });
});

describe('BatchNorm2d', () => {
  it('normalises by the batch in training, and moves its statistics', async () => {
    const bn = new BatchNorm2d(2, { device, momentum: 0.5 });
    // Per channel: 1, 3 and 0, 4, of mean 2 and biased variance 1 and 4, unbiased 2 and 8.
    const x = tensor([1, 0, 3, 4], { device, shape: [2, 2, 1, 1] });
    const y = await bn.forward(x).floats();
    [-1, -1, 1, 1].forEach((value, index) => {
      expect(y[index]).toBeCloseTo(value, 4);
    });
    expect(await bn.runningMean.toArray()).toEqual([1, 1]);
    expect(await bn.runningVar.toArray()).toEqual([1.5, 4.5]);
    bn.dispose();
  });

  it('normalises by its statistics in evaluation, and leaves them', async () => {
    const bn = new BatchNorm2d(1, { device }).eval();
    bn.runningMean.copyFrom(tensor([1], { device }));
    bn.runningVar.copyFrom(tensor([4], { device }));
    const before = await saveStateDict(bn);
    const y = await bn.forward(tensor([1, 5], { device, shape: [2, 1, 1, 1] })).floats();
    expect(y[0]).toBeCloseTo(0, 5);
    expect(y[1]).toBeCloseTo(2, 5);
    expect(await saveStateDict(bn)).toEqual(before);
    bn.dispose();
  });

  it('counts its training batches when the count is looked at', async () => {
    const bn = new BatchNorm2d(2, { device });
    const x = input(3, 2, 2, 2);
    bn.forward(x);
    bn.forward(x);
    bn.eval().forward(x);
    expect(await bn.stateDict().get('num_batches_tracked')?.item()).toBe(2);
    bn.train().forward(x);
    expect(await bn.namedBuffers().get('num_batches_tracked')?.item()).toBe(3);
    bn.forward(x);
    bn.loadStateDict(new BatchNorm2d(2, { device }).stateDict());
    expect(await bn.stateDict().get('num_batches_tracked')?.item()).toBe(0);
    bn.dispose();
  });

  it('has no weight and bias where told', () => {
    const bn = new BatchNorm2d(2, { device, affine: false });
    expect([...bn.stateDict().keys()]).toEqual(['running_mean', 'running_var', 'num_batches_tracked']);
    expect(bn.forward(input(3, 2, 2, 2)).shape).toEqual([3, 2, 2, 2]);
    expect(bn.device).toBe(device);
    bn.dispose();
  });

  it('refuses options that cannot be', () => {
    expect(() => new BatchNorm2d(2, { device, eps: 0 })).toThrow(/eps is 0/);
    expect(() => new BatchNorm2d(2, { device, momentum: 1.5 })).toThrow(/momentum is 1.5/);
  });
});

describe('MaxPool2d', () => {
  it('strides by its kernel unless told', async () => {
    const x = input(1, 2, 6, 7);
    expect(await new MaxPool2d(2).forward(x).data()).toEqual(await maxPool2d(x, 2, { stride: 2 }).data());
    expect(new MaxPool2d([3, 2], { stride: 1, padding: 1 }).forward(x).shape).toEqual([1, 2, 6, 8]);
  });

  it('refuses sizes that cannot be', () => {
    expect(() => new MaxPool2d(2, { stride: 0 })).toThrow(/MaxPool2d: stride is 0/);
  });
});

describe('Dropout', () => {
  it('drops and scales in training only', async () => {
    const drop = new Dropout(0.25, { generator: new Generator(1, { purpose: 'dropout' }) });
    const x = tensor(new Float32Array(4000).fill(3), { device });
    const values = await drop.forward(x).floats();
    expect(new Set(values)).toEqual(new Set([0, 4]));
    // The count of zeros has mean 1000 and standard deviation 27.
    const dropped = values.filter((value) => value === 0).length;
    expect(Math.abs(dropped - 1000)).toBeLessThan(110);
    expect(await drop.forward(x).floats()).not.toEqual(values);
    expect(drop.eval().forward(x)).toBe(x);
  });

  it('repeats with its generator', async () => {
    const masks = [7, 7].map((seed) =>
      new Dropout(0.5, { generator: new Generator(seed) }).forward(input(100)).floats(),
    );
    const [first, second] = await Promise.all(masks);
    expect(first).toEqual(second);
  });

  it('refuses what is no probability', () => {
    expect(() => new Dropout(1.1)).toThrow(/Dropout: p is 1.1/);
  });
});

describe('ReLU, Flatten and Sequential', () => {
  it('rectify, and merge all axes but the batch', async () => {
    expect(await new ReLU().forward(tensor([-1, 0, 2], { device })).toArray()).toEqual([0, 0, 2]);
    expect(new Flatten().forward(input(2, 3, 4, 5)).shape).toEqual([2, 60]);
    expect(new Flatten(0, 1).forward(input(2, 3, 4, 5)).shape).toEqual([6, 4, 5]);
  });

  it('chain, under numbers or names', async () => {
    const [first, second] = [new Linear(3, 4, { device }), new Linear(4, 2, { device })];
    const x = input(5, 3);
    const numbered = new Sequential(first, new ReLU(), second);
    expect([...numbered.stateDict().keys()]).toEqual(['0.weight', '0.bias', '2.weight', '2.bias']);
    const named = new Sequential({ fc1: first, relu: new ReLU(), fc2: second });
    expect([...named.stateDict().keys()]).toEqual(['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']);
    const expected = await second.forward(first.forward(x).relu()).data();
    expect(await numbered.forward(x).data()).toEqual(expected);
    expect(await named.forward(x).data()).toEqual(expected);
    expect(new Sequential().forward(x)).toBe(x);
    numbered.dispose();
  });

  it('have gradients for every parameter', () => {
    const net = new Sequential(new Conv2d(1, 2, 3, { device }), new BatchNorm2d(2, { device }), new ReLU());
    const parameters = net.parameters();
    const gradients = grad(net.forward(input(2, 1, 5, 5)).sum(), parameters);
    expect(gradients.map((gradient) => gradient.shape)).toEqual(parameters.map((parameter) => parameter.shape));
    net.dispose();
  });
});
