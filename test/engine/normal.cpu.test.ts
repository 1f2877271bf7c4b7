import { describe, expect, it } from 'vitest';
import {
  NORMAL_FRACTION_BITS,
  NORMAL_KNOTS,
  NORMAL_MAX_ERROR,
  knotTail,
  mulhi,
  normalFixed,
  normalKnots,
  normalTail,
  normalTailQuantile,
} from '../../engine/normal.js';

const UNIT = 2 ** NORMAL_FRACTION_BITS;

/** Words that reach every octave of the tail, its ends included. */
function awkwardTails(): number[] {
  const tails = new Set<number>();
  for (let octave = 0; octave < 31; octave++) {
    for (const step of [-1, 0, 1, 3]) tails.add(2 ** octave + step);
    for (let i = 1; i < 64; i++) tails.add(2 ** octave + Math.floor((2 ** octave * i) / 64));
  }
  tails.add(2 ** 31 - 1);
  return [...tails].filter((tail) => tail >= 0 && tail < 2 ** 31);
}

describe('mulhi', () => {
  it('is the high half of the exact product', () => {
    const values = [0, 1, 2, 0xffff, 0x10000, 0x10001, 0x7fffffff, 0x80000000, 0xd2511f53, 0xfffffffe, 0xffffffff];
    for (const a of values) {
      for (const b of values) expect(mulhi(a, b)).toBe(Number((BigInt(a) * BigInt(b)) >> 32n));
    }
  });
});

describe('normalTail and normalTailQuantile', () => {
  // Values of Wichura's algorithm AS 241 (1e-16 relative), as Python's statistics.NormalDist.inv_cdf computes them.
  const known: [p: number, z: number][] = [
    [0.4, 0.2533471031357997],
    [0.25, 0.6744897501960817],
    [0.1, 1.2815515655446006],
    [0.025, 1.9599639845400536],
    [1e-3, 3.090232306167813],
    [1e-5, 4.264890793922825],
    [1e-7, 5.199337582192817],
    [1e-10, 6.361340902404055],
  ];
  it.each(known)('finds z(%d)', (p, z) => {
    expect(Math.abs(normalTailQuantile(p) - z)).toBeLessThan(1e-12);
    expect(Math.abs(normalTail(z) / p - 1)).toBeLessThan(1e-12);
  });

  it('joins its two branches and inverts itself', () => {
    expect(Math.abs(normalTail(2.5 - 1e-15) / normalTail(2.5) - 1)).toBeLessThan(1e-12);
    for (let p = 0.5; p > 2 ** -34; p *= 0.83) {
      expect(Math.abs(normalTail(normalTailQuantile(p)) / p - 1)).toBeLessThan(1e-11);
    }
    expect(normalTailQuantile(0.5)).toBe(0);
  });
});

describe('normalKnots', () => {
  it('decreases from the largest magnitude to zero', () => {
    const knots = normalKnots();
    expect(knots.length).toBe(NORMAL_KNOTS);
    expect((knots[0] ?? 0) / UNIT).toBeCloseTo(6.338, 3);
    expect(knots[NORMAL_KNOTS - 1]).toBe(0);
    for (let i = 1; i < NORMAL_KNOTS; i++) expect(knots[i]).toBeLessThan(knots[i - 1] ?? 0);
  });

  it('is the same for every JavaScript engine: no entry lies near a rounding boundary', () => {
    let nearest = 1;
    for (let i = 0; i < NORMAL_KNOTS; i++) {
      const exact = normalTailQuantile((knotTail(i) + 0.5) / 2 ** 32) * UNIT;
      nearest = Math.min(nearest, Math.abs(exact - Math.floor(exact) - 0.5));
    }
    expect(nearest).toBeGreaterThan(1e-5);
    const checksum = normalKnots().reduce((sum, knot) => (Math.imul(sum, 31) + knot) >>> 0, 0);
    expect(checksum).toBe(2960329926);
  });
});

describe('normalFixed', () => {
  it('is within the stated error of the true quantile', () => {
    let worst = 0;
    for (const tail of awkwardTails()) {
      const error = normalFixed(tail) / UNIT - normalTailQuantile((tail + 0.5) / 2 ** 32);
      worst = Math.max(worst, Math.abs(error));
    }
    expect(worst).toBeLessThan(NORMAL_MAX_ERROR);
  });

  it('is odd in the sign bit, decreases with the tail, and converts to float32 exactly', () => {
    const tails = awkwardTails().sort((a, b) => a - b);
    let previous = Infinity;
    for (const tail of tails) {
      const value = normalFixed(tail);
      expect(value).toBeLessThanOrEqual(previous);
      expect(normalFixed((tail | 0x80000000) >>> 0) + value).toBe(0);
      expect(Math.fround(value)).toBe(value);
      previous = value;
    }
    expect(normalFixed(0) / UNIT).toBeCloseTo(6.338, 3);
    expect(Object.is(normalFixed(0xffffffff), -0)).toBe(false);
  });
});
