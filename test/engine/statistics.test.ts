import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  ShapeError,
  all,
  any,
  cumsum,
  grad,
  norm,
  prod,
  std,
  sum,
  tensor,
  variance,
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

const pNorm = (values: readonly number[], p: number): number => {
  if (p === 0) return values.filter((value) => value !== 0).length;
  if (p === Infinity) return Math.max(...values.map(Math.abs));
  return values.reduce((total, value) => total + Math.abs(value) ** p, 0) ** (1 / p);
};

describe('statistics', () => {
  it('have the methods var, std, norm', async () => {
    const x = tensor([1, 2, 4], { device });
    expect(await x.var().item()).toBeCloseTo(7 / 3, 5);
    expect(await x.std(0, { correction: 0 }).item()).toBeCloseTo(Math.sqrt(14) / 3, 5);
    expect(await x.norm().item()).toBeCloseTo(Math.sqrt(21), 5);
  });

  it.each([0, 0.5, 1, 1.5, 2, 3, Infinity])('norm of p = %s takes zeros and signs', async (p) => {
    const x = tensor([0, -3, 4, 0], { device }).requireGrad();
    const y = norm(x, { p });
    expect(await y.item()).toBeCloseTo(pNorm([0, -3, 4, 0], p), 4);
    const [gradient] = grad(y, [x]);
    const [first, second = 0, third = 0, fourth] = [...((await gradient?.data()) ?? [])];
    expect([first, fourth]).toEqual([0, 0]);
    if (p !== 0) expect(third).toBeGreaterThan(0);
    if (p !== 0 && p !== Infinity) expect(second).toBeLessThan(0);
  });

  it.each([0, 0.5, 1, 1.5, 2, 3, Infinity])('norm of p = %s has the gradient 0 at 0', async (p) => {
    const x = zeros([3], { device }).requireGrad();
    const [gradient] = grad(norm(x, { p }), [x]);
    expect([...((await gradient?.data()) ?? [])].map(Math.abs)).toEqual([0, 0, 0]);
  });

  it('std of equal values has the gradient 0', async () => {
    const x = tensor([2, 2, 2], { device }).requireGrad();
    const y = std(x);
    const [gradient] = grad(y, [x]);
    expect(await y.item()).toBe(0);
    expect([...((await gradient?.data()) ?? [])].map(Math.abs)).toEqual([0, 0, 0]);
  });

  it('refuse what has no meaning', () => {
    const x = tensor([1], { device });
    expect(() => variance(x)).toThrow(ShapeError);
    expect(() => norm(x, { p: -1 })).toThrow(ArgumentError);
  });
});

describe('prod', () => {
  it('has its derivatives where elements are 0 too', async () => {
    const x = tensor([2, 0, 3, 5], { device }).requireGrad();
    const [first] = grad(prod(x), [x], { createGraph: true });
    expect(await first?.toArray()).toEqual([0, 30, 0, 0]);
    const [second] = grad(sum(first ?? x), [x]);
    expect(await second?.toArray()).toEqual([15, 31, 10, 6]);
    const zeros2 = tensor([0, 4, 0], { device }).requireGrad();
    expect(await grad(prod(zeros2), [zeros2])[0]?.toArray()).toEqual([0, 0, 0]);
  });

  it('of whole numbers, and of nothing', async () => {
    expect(
      await prod(
        tensor(
          [
            [2, 3, 4],
            [1, 5, 6],
          ],
          { device, dtype: 'i32' },
        ),
        1,
      ).toArray(),
    ).toEqual([24, 30]);
    expect(await prod(zeros([0, 2], { device }), 0).toArray()).toEqual([1, 1]);
    expect(await prod(zeros([2, 0], { device }), 0).toArray()).toEqual([]);
  });
});

describe('any and all', () => {
  it.each(['f32', 'i32', 'u32', 'bool'] as const)('of %s', async (dtype) => {
    const x = tensor([0, 1, 0, 0, 1, 1], { shape: [3, 2], dtype, device });
    expect([...(await any(x, 1).data())]).toEqual([1, 0, 1]);
    expect([...(await all(x, 1).data())]).toEqual([0, 0, 1]);
    expect(all(x, 1, { keepDim: true }).shape).toEqual([3, 1]);
    expect([await x.any().item(), await x.all().item()]).toEqual([1, 0]);
    expect(any(x).dtype).toBe('bool');
  });

  it('of nothing', async () => {
    const x = zeros([0, 2], { device });
    expect([...(await any(x, 0).data())]).toEqual([0, 0]);
    expect([...(await all(x, 0).data())]).toEqual([1, 1]);
  });
});

describe('cumsum', () => {
  it('of a long line is exact on whole numbers, and so is its gradient', async () => {
    const size = 100_003;
    const x = tensor(
      Float32Array.from({ length: size }, (_, place) => (place % 7) - 3),
      { device },
    ).requireGrad();
    const y = cumsum(x, -1);
    const [gradient] = grad(sum(y), [x]);
    let running = 0;
    const expected = Float32Array.from({ length: size }, (_, place) => (running += (place % 7) - 3));
    expect(await y.data()).toEqual(expected);
    expect(await gradient?.data()).toEqual(Float32Array.from({ length: size }, (_, place) => size - place));
  });

  it('takes the axis of the caller', () => {
    expect(() => cumsum(zeros([2], { device }), 1)).toThrow(ShapeError);
  });
});
