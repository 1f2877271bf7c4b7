import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShapeError, grad, maxPool2d, tensor, zeros, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('maxPool2d', () => {
  it('takes the first of equal elements, with one gradient each', async () => {
    for (const width of [4, 5]) {
      const x = zeros([1, 1, 4, width], { device }).requireGrad();
      const [dx] = grad(maxPool2d(x, 2).sum(), [x]);
      const expected = Array.from({ length: 4 * width }, (_, i) =>
        Number(Math.floor(i / width) % 2 === 0 && i % width < 4 && (i % width) % 2 === 0),
      );
      expect([...((await dx?.data()) ?? [])]).toEqual(expected);
    }
  });

  it('pads with nothing that could win: the most negative numbers stay themselves', async () => {
    const low = -3.4028234663852886e38;
    const x = tensor(new Float32Array(9).fill(low), { shape: [1, 1, 3, 3], device });
    expect([...(await maxPool2d(x, 3, { stride: 1, padding: 1 }).data())]).toEqual(new Array(9).fill(low));
  });

  it('counts many planes, and planes of one element', async () => {
    const x = tensor(
      Float32Array.from({ length: 70_001 }, (_, i) => i),
      { shape: [70_001, 1, 1, 1], device },
    );
    const y = await maxPool2d(x, 1).data();
    expect(y.every((value, i) => value === i)).toBe(true);
  });

  it('says what would be right', () => {
    const x = zeros([1, 1, 4, 4], { device });
    expect(() => maxPool2d(x, 5)).toThrow(ShapeError);
    expect(() => maxPool2d(x, 2, { padding: 2 })).toThrow(/at most half the kernel/);
    expect(() => maxPool2d(x, 2, { stride: 0 })).toThrow(/positive integers/);
    expect(() => maxPool2d(zeros([4, 4], { device }), 2)).toThrow(/\[N, C, H, W\]/);
  });
});
