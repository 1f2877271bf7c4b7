import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  DTypeError,
  ShapeError,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  klDiv,
  l1Loss,
  logSoftmax,
  mseLoss,
  nllLoss,
  smoothL1Loss,
  tensor,
  zeros,
  type Device,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('losses of two tensors', () => {
  it('stay finite where probabilities are 0 or 1', async () => {
    const [x, t] = [tensor([-200, 200, 0], { device }), tensor([0, 1, 0], { device })];
    const bce = await binaryCrossEntropyWithLogits(x, t, { reduction: 'none' }).data();
    expect([...bce]).toEqual([0, 0, expect.closeTo(Math.LN2, 6)]);
    const wrong = binaryCrossEntropyWithLogits(x, tensor([1, 0, 0.5], { device }), { reduction: 'none' });
    expect([...(await wrong.data())]).toEqual([200, 200, expect.closeTo(Math.LN2, 6)]);
    const divergence = await klDiv(x, t, { reduction: 'none' }).data();
    expect([...divergence].map((value) => value + 0)).toEqual([0, -200, 0]);
  });

  it('is the divergence itself by batchmean', async () => {
    const p = logSoftmax(
      tensor(
        [
          [1, 2, 3],
          [0, 0, 5],
        ],
        { device },
      ),
    );
    expect(await klDiv(p, p, { reduction: 'batchmean', logTarget: true }).item()).toBe(0);
    const uniform = tensor(
      [
        [1 / 3, 1 / 3, 1 / 3],
        [0, 0, 1],
      ],
      { device },
    );
    const rows = [
      [1, 2, 3],
      [0, 0, 5],
    ].map((z) => {
      const sum = z.reduce((all, value) => all + Math.exp(value), 0);
      return z.map((value) => value - Math.log(sum));
    });
    const [first = [], second = []] = rows;
    const expected = (first.reduce((all, value) => all - (value + Math.log(3)) / 3, 0) - (second[2] ?? 0)) / 2;
    expect(await klDiv(p, uniform, { reduction: 'batchmean' }).item()).toBeCloseTo(expected, 6);
  });

  it('refuse shapes, dtypes and options that do not fit', () => {
    const x = zeros([2, 3], { device });
    expect(() => mseLoss(x, zeros([3], { device }))).toThrow(
      /mseLoss: input \[2, 3\] with target \[3\]; expected one shape/,
    );
    expect(() => l1Loss(x, zeros([2, 3], { device, dtype: 'i32' }))).toThrow(DTypeError);
    expect(() => smoothL1Loss(x, x, { beta: -1 })).toThrow(/smoothL1Loss: beta -1; expected a finite number from 0 up/);
    expect(() => klDiv(x, zeros([2], { device }))).toThrow(ShapeError);
  });
});

describe('crossEntropy and nllLoss', () => {
  it('give 0 for the mean of rows that are all ignored', async () => {
    const [x, y] = [zeros([2, 3], { device }), tensor([-1, -1], { device, dtype: 'i32' })];
    expect(await crossEntropy(x, y, { ignoreIndex: -1 }).item()).toBe(0);
  });

  it('refuse weights and targets that do not fit', () => {
    const [x, y] = [zeros([2, 3], { device }), zeros([2], { device, dtype: 'i32' })];
    expect(() => crossEntropy(x, y, { weight: zeros([2], { device }) })).toThrow(
      /crossEntropy: weight of shape \[2\] for 3 classes; expected \[C\]/,
    );
    expect(() => nllLoss(x, y, { weight: y })).toThrow(/nllLoss: weight: got a tensor of dtype i32; expected f32/);
    expect(() => crossEntropy(x, zeros([2, 4], { device }))).toThrow(
      /with probabilities \[2, 4\]; expected both \[m, C/,
    );
    expect(() => crossEntropy(x, x, { ignoreIndex: 0 })).toThrow(ArgumentError);
    expect(() => crossEntropy(zeros([2, 3, 4], { device }), y)).toThrow(/expected \[m, C, \.\.\.\] and \[m, \.\.\.\]/);
  });
});
