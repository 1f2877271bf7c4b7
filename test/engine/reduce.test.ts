import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ShapeError,
  DTypeError,
  argmax,
  argmin,
  grad,
  max,
  mean,
  min,
  sum,
  tensor,
  zeros,
} from '../../engine/index.js';
import type { Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { distance, forEachIndex, sizeOf, type NdArray } from '../support/reference.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** Shapes that take several passes, vectors along and across the reduced axes, and remainders of each. */
const large: readonly { shape: readonly number[]; axes: readonly number[] }[] = [
  { shape: [1_000_000], axes: [0] },
  { shape: [1_000_003], axes: [0] },
  { shape: [8, 32, 28, 28], axes: [0, 2, 3] },
  { shape: [9, 5, 7, 7], axes: [0, 2, 3] },
  { shape: [3, 50_001], axes: [1] },
  { shape: [50_000, 3], axes: [0] },
  { shape: [20_000, 8], axes: [0] },
  { shape: [100, 100, 100], axes: [1] },
  { shape: [70_001, 2, 2], axes: [1] },
  { shape: [3, 2, 5, 2, 7, 2, 11], axes: [0, 2, 4, 6] },
  { shape: [3, 2, 5, 2, 7, 2, 11], axes: [1, 3, 5] },
];

/** Sums, largest and smallest by the definition, without strings for keys: for arrays of a million elements. */
function reduceLarge(
  x: NdArray,
  axes: readonly number[],
): { sums: Float64Array; maxima: Float64Array; minima: Float64Array } {
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const count = sizeOf(kept);
  const sums = new Float64Array(count);
  const maxima = new Float64Array(count).fill(-Infinity);
  const minima = new Float64Array(count).fill(Infinity);
  forEachIndex(x.shape, (index, flat) => {
    const group = kept.reduce((at, size, axis) => at * size + (size === 1 ? 0 : (index[axis] ?? 0)), 0);
    const value = x.data[flat] ?? Number.NaN;
    sums[group] = (sums[group] ?? 0) + value;
    maxima[group] = Math.max(maxima[group] ?? Number.NaN, value);
    minima[group] = Math.min(minima[group] ?? Number.NaN, value);
  });
  return { sums, maxima, minima };
}

describe('large reductions', () => {
  it.each(large)('$shape over $axes', async ({ shape, axes }) => {
    const values = uniformFloats(sizeOf(shape), 5, -1, 2);
    const x = tensor(values, { shape, device });
    const { sums, maxima, minima } = reduceLarge({ shape, data: Float64Array.from(values) }, axes);
    const first = await sum(x, axes).data();
    const { error, norm } = distance(first, sums);
    expect(error).toBeLessThanOrEqual(1e-6 * norm);
    expect([...(await sum(x, axes).data())]).toEqual([...first]);
    const scale = sums.length / values.length;
    expect(
      distance(
        await mean(x, axes).data(),
        sums.map((value) => value * scale),
      ).error,
    ).toBeLessThanOrEqual(1e-6 * norm * scale);
    expect(distance(await max(x, axes).data(), maxima).error).toBe(0);
    expect(distance(await min(x, axes).data(), minima).error).toBe(0);
  });

  it('finds the first of equal values among a million', async () => {
    const values = new Int32Array(1_000_001);
    for (const at of [999_999, 700_001, 700_000]) values[at] = 3;
    for (const at of [900_000, 40_000, 39_999]) values[at] = -3;
    const x = tensor(values, { device });
    expect(await argmax(x).item()).toBe(700_000);
    expect(await argmin(x).item()).toBe(39_999);
  });
});

describe('the edges of reductions', () => {
  it('sums whole numbers exactly in their own type', async () => {
    const x = tensor(
      Int32Array.from({ length: 5000 }, (_, i) => i - 7),
      { device },
    );
    const y = sum(x);
    expect(y.dtype).toBe('i32');
    expect(await y.item()).toBe((4999 * 5000) / 2 - 7 * 5000);
  });

  it('finds extrema of whole numbers and of negative numbers only', async () => {
    expect(await max(tensor(Int32Array.from([-5, -9, -3]), { device })).item()).toBe(-3);
    expect(
      await max(
        tensor(
          [
            [-5, -9, -3],
            [-2, -1, -8],
          ],
          { device },
        ),
        1,
      ).toArray(),
    ).toEqual([-3, -1]);
    expect(await min(tensor(Uint32Array.from([4_000_000_000, 5, 7]), { device, dtype: 'u32' })).item()).toBe(5);
  });

  it('shares the gradient of equal extrema evenly', async () => {
    const x = tensor(
      [
        [1, 3, 3, 0],
        [2, 2, 2, 2],
      ],
      { device },
    ).requireGrad();
    const [dx] = grad(max(x, 1).sum(), [x]);
    expect(await dx?.toArray()).toEqual([
      [0, 0.5, 0.5, 0],
      [0.25, 0.25, 0.25, 0.25],
    ]);
  });

  it('sums nothing to zero, and refuses the mean and extremum of nothing', async () => {
    const empty = zeros([3, 0], { device });
    expect(await sum(empty, 1).toArray()).toEqual([0, 0, 0]);
    expect(await sum(empty).item()).toBe(0);
    expect((await sum(empty, 0).data()).length).toBe(0);
    expect((await max(empty, 0).data()).length).toBe(0);
    for (const reduce of [mean, max, min]) expect(() => reduce(empty, 1)).toThrow(ShapeError);
    expect(() => argmax(empty, 1)).toThrow(/no elements; expected at least one/);
  });

  it('names the axis that is not there, or is there twice', () => {
    const x = zeros([2, 3], { device });
    expect(() => sum(x, 2)).toThrow(/axis 2 does not exist in a tensor of rank 2; expected -2 to 1/);
    expect(() => sum(x, [1, -1])).toThrow(/name one axis twice/);
    expect(() => mean(tensor(Int32Array.from([1, 2]), { device }))).toThrow(DTypeError);
  });
});
