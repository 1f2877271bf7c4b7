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
  type NormOptions,
  type VarianceOptions,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { expectDerivatives, expectForward, type OpCheck } from '../support/op-check.js';
import { build, forEachIndex, input, type Reference } from '../support/reference.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** `combine` of the elements that share all coordinates but those of `axes`. */
function over(axes: readonly number[], keepDim: boolean, combine: (values: readonly number[]) => number): Reference {
  return ([x]) => {
    const groups = new Map<string, number[]>();
    forEachIndex(input(x).shape, (index, flat) => {
      const key = index.map((place, axis) => (axes.includes(axis) ? 0 : place)).join();
      groups.set(key, [...(groups.get(key) ?? []), input(x).data[flat] ?? Number.NaN]);
    });
    const kept = input(x).shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const result = build(kept, (index) => combine(groups.get(index.join()) ?? []));
    return keepDim ? result : { shape: kept.filter((_, axis) => !axes.includes(axis)), data: result.data };
  };
}

const spread = (values: readonly number[], correction: number): number => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((total, value) => total + (value - mean) ** 2, 0) / (values.length - correction);
};
const pNorm = (values: readonly number[], p: number): number => {
  if (p === 0) return values.filter((value) => value !== 0).length;
  if (p === Infinity) return Math.max(...values.map(Math.abs));
  return values.reduce((total, value) => total + Math.abs(value) ** p, 0) ** (1 / p);
};

const places = [
  { shape: [7], axes: [0] },
  { shape: [3, 4, 5], axes: [1] },
  { shape: [3, 4, 5], axes: [0, 2] },
  { shape: [1, 6], axes: [1] },
];

const varianceOptions: readonly VarianceOptions[] = [{}, { correction: 0, keepDim: true }];
const normOptions: readonly NormOptions[] = [0, 0.5, 1, 1.5, 2, 3, Infinity].map((p) => ({ p, keepDim: p === 2 }));

const checks: readonly OpCheck[] = places.flatMap(({ shape, axes }) => {
  const at = `over [${axes.join()}] of [${shape.join()}]`;
  return [
    ...varianceOptions.flatMap((options): OpCheck[] => {
      const { correction = 1, keepDim = false } = options;
      return [
        {
          name: `variance ${at}, correction ${correction}`,
          shapes: [shape],
          call: ([x]) => x && variance(x, axes, options),
          definition: over(axes, keepDim, (values) => spread(values, correction)),
        },
        {
          name: `std ${at}, correction ${correction}`,
          shapes: [shape],
          call: ([x]) => x && std(x, axes, options),
          definition: over(axes, keepDim, (values) => Math.sqrt(spread(values, correction))),
        },
      ];
    }),
    ...[true, false].map((keepDim): OpCheck => ({
      name: `prod ${at}${keepDim ? ', axes kept' : ''}`,
      shapes: [shape],
      call: ([x]) => x && prod(x, axes, { keepDim }),
      definition: over(axes, keepDim, (values) => values.reduce((product, value) => product * value, 1)),
    })),
    ...normOptions.map((options): OpCheck => {
      const { p = 2, keepDim = false } = options;
      return {
        name: `norm ${at}, p = ${p}`,
        shapes: [shape],
        // Away from 0, where powers below 2 have no second derivative.
        domain: [0.2, 2],
        call: ([x]) => x && norm(x, { ...options, axes }),
        definition: over(axes, keepDim, (values) => pNorm(values, p)),
      };
    }),
  ];
});

describe('statistics', () => {
  it.each(checks)('$name computes its definition', (check) => expectForward(device, check));
  it.each(checks)('$name has its derivatives', (check) => expectDerivatives(device, check));

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
