import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  ShapeError,
  groupNorm,
  instanceNorm2d,
  layerNorm,
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

describe('normalisation of each sample by itself', () => {
  it('keeps its precision far from 0', async () => {
    // A one-pass variance would lose all digits here.
    const values = Float64Array.from({ length: 1024 }, (_, index) => 10_000 + (index % 2));
    const y = await layerNorm(tensor([...values], { device }), [1024], { eps: 1e-5 }).data();
    const [first, second] = [y[0] ?? 0, y[1] ?? 0];
    expect(first).toBeCloseTo(-1, 4);
    expect(second).toBeCloseTo(1, 4);
  });

  it('takes nothing for nothing', () => {
    expect(layerNorm(zeros([0, 5], { device }), [5], { weight: zeros([5], { device }) }).shape).toEqual([0, 5]);
    expect(groupNorm(zeros([2, 4, 0], { device }), 2).shape).toEqual([2, 4, 0]);
  });

  it('refuses what does not fit', () => {
    const x = zeros([2, 4, 3, 3], { device });
    expect(() => layerNorm(x, [4])).toThrow(
      /layerNorm: input \[2, 4, 3, 3\] does not end in \[4\], the axes to normalise/,
    );
    expect(() => groupNorm(x, 3)).toThrow(/groupNorm: input \[2, 4, 3, 3\] in 3 groups; expected/);
    expect(() => instanceNorm2d(zeros([2, 4, 1, 1], { device }))).toThrow(ShapeError);
    expect(() => groupNorm(x, 2, { weight: zeros([2], { device }) })).toThrow(
      /weight \[2\] for input .*; expected 4 values/,
    );
    expect(() => layerNorm(x, [3], { eps: 0 })).toThrow(ArgumentError);
  });
});
