import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adaptiveAvgPool2d, adaptiveMaxPool2d, avgPool2d, grad, ones, zeros, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe.each([
  { name: 'adaptiveAvgPool2d', pool: adaptiveAvgPool2d },
  { name: 'adaptiveMaxPool2d', pool: adaptiveMaxPool2d },
])('$name', ({ pool }) => {
  it('keeps an axis where told null, and takes one number for both', () => {
    const x = zeros([2, 1, 6, 9], { device });
    expect(pool(x, [null, 3]).shape).toEqual([2, 1, 6, 3]);
    expect(pool(x, 3).shape).toEqual([2, 1, 3, 3]);
    expect(pool(zeros([0, 1, 5, 5], { device }), 2).shape).toEqual([0, 1, 2, 2]);
  });

  it('refuses what does not fit', () => {
    expect(() => pool(zeros([2, 3], { device }), 1)).toThrow(/input has shape \[2, 3\]; expected \[N, C, H, W\]/);
    expect(() => pool(zeros([1, 1, 2, 2], { device }), 0)).toThrow(/output size \[0, 0\]; expected integers from 1 up/);
  });
});

describe('where elements are equal', () => {
  it('the first of a window has the gradient', async () => {
    const x = zeros([1, 1, 1, 5], { device }).requireGrad();
    // Windows [0, 2), [1, 4), [3, 5): each gives its gradient to the first place.
    const [gradient] = grad(adaptiveMaxPool2d(x, [1, 3]).sum(), [x]);
    expect(await gradient?.toArray()).toEqual([[[[1, 1, 0, 1, 0]]]]);
  });
});

describe('avgPool2d', () => {
  it('divides by what it is told', async () => {
    const x = ones([1, 1, 2, 2], { device });
    expect(await avgPool2d(x, 2, { divisorOverride: 8 }).item()).toBe(0.5);
    expect(await avgPool2d(x, 3, { padding: 1, stride: 3, ceilMode: true }).toArray()).toEqual([[[[4 / 9]]]].map(f32));
    expect(await avgPool2d(x, 3, { padding: 1, stride: 3, countIncludePad: false }).item()).toBe(1);
  });

  it('refuses what does not fit', () => {
    const x = zeros([1, 1, 4, 4], { device });
    expect(() => avgPool2d(x, 2, { divisorOverride: 0 })).toThrow(/avgPool2d: divisorOverride 0; expected a finite/);
    expect(() => avgPool2d(x, 2, { padding: 2 })).toThrow(/avgPool2d: kernel \[2, 2\], .* padding of at most half/);
    expect(() => avgPool2d(x, 5)).toThrow(/avgPool2d: kernel \[5, 5\] does not fit input \[1, 1, 4, 4\]/);
  });
});

function f32(nested: number[][][]): number[][][] {
  return nested.map((plane) => plane.map((row) => row.map(Math.fround)));
}
