import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, ShapeError, conv2d, convTranspose2d, zeros, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('convTranspose2d', () => {
  it('undoes the shapes of conv2d', () => {
    const weight = zeros([4, 3, 3, 3], { device });
    const y = conv2d(zeros([2, 3, 8, 7], { device }), weight, null, { stride: 2, padding: 1 });
    const back = convTranspose2d(y, weight, null, { stride: 2, padding: 1, outputPadding: [1, 0] });
    expect(back.shape).toEqual([2, 3, 8, 7]);
  });

  it('refuses what does not fit', () => {
    const [x, weight] = [zeros([1, 2, 3, 3], { device }), zeros([2, 1, 3, 3], { device })];
    expect(() => convTranspose2d(x, zeros([3, 1, 3, 3], { device }))).toThrow(
      /expected input \[N, C, H, W\] and weight/,
    );
    expect(() => convTranspose2d(x, weight, null, { outputPadding: 1 })).toThrow(ArgumentError);
    expect(() => convTranspose2d(x, weight, zeros([2], { device }))).toThrow(/bias has shape \[2\]; expected \[1\]/);
    expect(() => convTranspose2d(x, weight, null, { padding: 3 })).toThrow(/nothing is left of the output/);
    expect(() => convTranspose2d(x, weight, null, { stride: 0.5 })).toThrow(ArgumentError);
    expect(() => convTranspose2d(zeros([2], { device }), weight)).toThrow(ShapeError);
  });
});

describe("conv2d with padding 'same' and 'valid'", () => {
  it('adds nothing, or refuses a stride', () => {
    const [x, weight] = [zeros([1, 1, 5, 5], { device }), zeros([1, 1, 3, 3], { device })];
    expect(conv2d(x, weight, null, { padding: 'valid' }).shape).toEqual([1, 1, 3, 3]);
    expect(() => conv2d(x, weight, null, { padding: 'same', stride: 2 })).toThrow(
      /conv2d: padding 'same' with stride \[2, 2\]; expected stride 1/,
    );
  });
});
