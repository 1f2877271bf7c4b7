import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { padCropFlip } from '../../data/augmentation.js';
import { arange, reshape, tensor, zeros, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const whole = (values: number[], shape: number[]) => tensor(values, { device, shape, dtype: 'i32' });

describe('padCropFlip', () => {
  it('cuts each image at its own place, and mirrors those that it is told', async () => {
    const images = reshape(arange(1, 13, { device, dtype: 'f32' }), [3, 1, 2, 2]);
    const cut = padCropFlip(images, whole([1, 1, 0, 2, 2, 0], [3, 2]), whole([1, 0, 0], [3]), 1);
    expect(await cut.toArray()).toEqual([
      [
        [
          [2, 1],
          [4, 3],
        ],
      ],
      [
        [
          [0, 0],
          [6, 0],
        ],
      ],
      [
        [
          [0, 11],
          [0, 0],
        ],
      ],
    ]);
  });

  it('is the identity without padding and flips', async () => {
    const images = reshape(arange(0, 36, { device, dtype: 'f32' }), [2, 2, 3, 3]);
    const same = padCropFlip(images, whole([0, 0, 0, 0], [2, 2]), whole([0, 0], [2]), 0);
    expect(await same.data()).toEqual(await images.data());
  });

  it('refuses what does not fit', () => {
    const [images, offsets, flips] = [zeros([2, 1, 4, 4], { device }), whole([0, 0, 0, 0], [2, 2]), whole([0, 0], [2])];
    expect(() => padCropFlip(images, offsets, flips, -1)).toThrow(/padCropFlip: padding -1; expected an integer/);
    expect(() => padCropFlip(images, flips, flips, 4)).toThrow(
      /offsets \[2\], flips \[2\]; expected \[n, c, h, w\], \[n, 2\]/,
    );
    expect(() => padCropFlip(images, offsets, zeros([2], { device }), 4)).toThrow(
      /got a tensor of dtype f32; expected i32/,
    );
  });
});
