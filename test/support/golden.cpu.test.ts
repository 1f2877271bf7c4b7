import { describe, expect, it } from 'vitest';
import { expectGolden, expectGoldenEqual, expectGoldenMaxAbs, type GoldenTensor, loadGolden } from './golden.js';

const reference: GoldenTensor = {
  dtype: 'f64',
  shape: [2, 2],
  data: Float64Array.of(3, 0, 0, 4),
  norm: 5,
  f32err: 1e-9,
};
const tolerance = { rtol: 1e-3, atol: 1e-4 };

describe('expectGolden', () => {
  it('accepts what is inside max(rtol * norm, 20 * f32err) + atol and refuses what is outside', () => {
    expectGolden([3, 0, 0, 4 + 0.00509], reference, tolerance);
    expect(() => expectGolden([3, 0, 0, 4 + 0.00511], reference, tolerance)).toThrow(/exceeds/);
  });

  it('widens by what float32 costs only through 20 * f32err', () => {
    const coarse = { ...reference, f32err: 0.01 };
    expectGolden([3.19, 0, 0, 4], coarse, tolerance);
    expect(() => expectGolden([3.21, 0, 0, 4], coarse, tolerance)).toThrow(/exceeds/);
  });

  it('refuses NaN, infinity and a wrong number of elements', () => {
    expect(() => expectGolden([3, NaN, 0, 4], reference, tolerance)).toThrow(/element 1 is NaN/);
    expect(() => expectGolden([3, 0, -Infinity, 4], reference, tolerance)).toThrow(/element 2 is -Infinity/);
    expect(() => expectGolden([3, 0, 0], reference, tolerance)).toThrow(/3 elements/);
  });

  it('compares the stored rows and the norm of the whole tensor', () => {
    const partial: GoldenTensor = {
      ...reference,
      shape: [1, 2],
      data: Float64Array.of(0, 4),
      rows: [1],
      fullShape: [2, 2],
    };
    expectGolden([3, 0, 0, 4], partial, tolerance);
    expect(() => expectGolden([3, 0, 0.1, 4], partial, tolerance)).toThrow(/exceeds/);
    expect(() => expectGolden([3.1, 0, 0, 4], partial, tolerance)).toThrow(/norm of the full tensor/);
  });
});

describe('expectGoldenMaxAbs and expectGoldenEqual', () => {
  it('bound every element by itself', () => {
    expectGoldenMaxAbs([3.0005, 0.0005, 0.0005, 4], reference, 1e-3);
    expect(() => expectGoldenMaxAbs([3.002, 0, 0, 4], reference, 1e-3)).toThrow(/maximum difference/);
    expectGoldenEqual([3, 0, 0, 4], reference);
    expect(() => expectGoldenEqual([3, 0, 0, 5], reference)).toThrow(/maximum difference/);
  });
});

describe('loadGolden', () => {
  it.each(['losses', 'ops', 'optim', 'nets', 'models', 'train', 'mimae_step', 'full_size', 'attacks'] as const)(
    '%s agrees with its own norms',
    (name) => {
      const group = loadGolden(name);
      expect(group.cases.length).toBeGreaterThan(0);
      for (const c of group.cases) {
        for (const [key, ref] of c.outputs) {
          if (ref.norm === undefined || ref.rows !== undefined) continue;
          const norm = Math.hypot(...ref.data);
          expect(Math.abs(norm - ref.norm), `${c.id} ${key}`).toBeLessThanOrEqual(1e-5 * ref.norm);
        }
      }
    },
  );
});
