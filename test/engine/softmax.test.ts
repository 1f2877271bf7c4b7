import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  ShapeError,
  crossEntropy,
  grad,
  logSoftmax,
  logSumExp,
  softmax,
  tensor,
  zeros,
  type Device,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { at, distance, type NdArray } from '../support/reference.js';
import { logProbabilities } from '../support/references/softmax.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('softmax and its logarithms', () => {
  it('is exact for logits of +-1e4', async () => {
    const x: NdArray = {
      shape: [3, 4],
      data: Float64Array.from([1e4, -1e4, 1e4, 0, -1e4, -1e4, -1e4, -1e4, 1e4, 9999, -1e4, 1]),
    };
    const logits = tensor(Float32Array.from(x.data), { shape: x.shape, device });
    const expected = logProbabilities(x, 1).data;
    const { error, norm } = distance(await logSoftmax(logits).data(), expected);
    expect(error).toBeLessThanOrEqual(1e-6 * norm);
    expect(distance(await softmax(logits).data(), expected.map(Math.exp)).error).toBeLessThan(1e-6);
    expect(
      distance(await logSumExp(logits).data(), [1e4 + Math.log(2), -1e4 + Math.log(4), 1e4 + Math.log1p(Math.exp(-1))])
        .error,
    ).toBeLessThan(2e-3);
  });

  it('keeps the axis of logSumExp where asked', () => {
    expect(logSumExp(zeros([2, 3], { device }), 0, { keepDim: true }).shape).toEqual([1, 3]);
  });

  it('refuses an empty row and an axis that is not there', () => {
    expect(() => softmax(zeros([2, 0], { device }))).toThrow(/axis 1 of shape \[2, 0\] is empty/);
    expect(() => softmax(zeros([2, 2], { device }), 2)).toThrow(ShapeError);
    expect(softmax(zeros([0, 2], { device })).shape).toEqual([0, 2]);
  });
});

describe('cross-entropy', () => {
  it('is finite, with a gradient of probabilities, where the prediction is wrong by 2e4', async () => {
    const z = tensor(
      [
        [1e4, -1e4, -1e4],
        [-1e4, 1e4, 1e4],
      ],
      { device },
    ).requireGrad();
    const loss = crossEntropy(z, tensor(Int32Array.from([1, 1]), { device }), { reduction: 'none' });
    expect(distance(await loss.data(), [2e4, Math.log(2)]).error).toBeLessThan(2e-3);
    const [dz] = grad(loss.sum(), [z]);
    expect(await dz?.toArray()).toEqual([
      [1, -1, 0],
      [0, -0.5, 0.5],
    ]);
  });

  it('handles a thousand classes', async () => {
    const [rows, classes] = [130, 1000];
    const x: NdArray = { shape: [rows, classes], data: Float64Array.from(uniformFloats(rows * classes, 3, -9, 9)) };
    const y = Int32Array.from({ length: rows }, (_, i) => (i * 977) % classes);
    const log = logProbabilities(x, 1);
    const expected = [...y].map((label, i) => -at(log, [i, label]));
    const z = tensor(Float32Array.from(x.data), { shape: x.shape, device });
    const { error, norm } = distance(
      await crossEntropy(z, tensor(y, { device }), { reduction: 'none' }).data(),
      expected,
    );
    expect(error).toBeLessThanOrEqual(1e-6 * norm);
  });

  it('stays inside its row for a label that is out of range', async () => {
    const z = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { device },
    ).requireGrad();
    const loss = crossEntropy(z, tensor(Int32Array.from([-7, 1_000_000]), { device }));
    const [dz] = grad(loss, [z]);
    expect([await loss.item(), ...((await dz?.data()) ?? [])].every(Number.isFinite)).toBe(true);
  });

  it('says what would be right', () => {
    const z = zeros([2, 3], { device });
    expect(() => crossEntropy(z, zeros([3], { device, dtype: 'i32' }))).toThrow(
      /logits \[2, 3\] with labels \[3\]; expected \[m, C\] and \[m\]/,
    );
    expect(() => crossEntropy(z, zeros([2], { device }))).toThrow(/labels: got a tensor of dtype f32; expected i32/);
    expect(() => crossEntropy(z, zeros([2], { device, dtype: 'i32' }), { labelSmoothing: 2 })).toThrow(ArgumentError);
  });
});
