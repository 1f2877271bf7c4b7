import { describe, expect, it } from 'vitest';
import { mutualInformationOf, signTest, wilson } from '../../adversarial/index.js';
import { ArgumentError } from '../../engine/errors.js';

describe('wilson', () => {
  it.each([
    // Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 1998, table I, method 3.
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [29, 29, 0.883, 1],
  ])('%i of %i', (count, total, low, high) => {
    const interval = wilson(count, total);
    expect(interval).toMatchObject({ count, total, value: count / total });
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('stays within [0, 1] and around the value', () => {
    for (let total = 1; total < 60; total += 7) {
      for (let count = 0; count <= total; count++) {
        const { low, value, high } = wilson(count, total);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(value);
        expect(high).toBeGreaterThanOrEqual(value);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThan(high);
      }
    }
  });

  it.each([
    [1, 0],
    [2, 1],
    [-1, 3],
    [0.5, 3],
    [NaN, 3],
  ])('%d of %d is refused', (count, total) => {
    expect(() => wilson(count, total)).toThrow(ArgumentError);
  });
});

describe('signTest', () => {
  /** Exactly: sum of C(n, k) for k from losses up, over 2^n. */
  const exactly = (wins: number, losses: number): number => {
    const flips = BigInt(wins + losses);
    let choose = 1n;
    let tail = 0n;
    for (let heads = 0n; heads <= flips; heads++) {
      if (heads >= BigInt(losses)) tail += choose;
      choose = (choose * (flips - heads)) / (heads + 1n);
    }
    return Number((tail * 10n ** 30n) / 2n ** flips) / 1e30;
  };

  it.each([
    [0, 0],
    [5, 0],
    [0, 1],
    [0, 5],
    [0, 6],
    [1, 8],
    [10, 10],
    [200, 240],
    [3000, 3100],
  ])('%i wins and %i losses', (wins, losses) => {
    const expected = exactly(wins, losses);
    expect(Math.abs(signTest(wins, losses) - expected)).toBeLessThan(1e-9 * expected + 1e-15);
  });

  it('refuses what is no count', () => {
    for (const [wins, losses] of [
      [-1, 0],
      [0, 0.5],
      [NaN, 1],
    ] as const) {
      expect(() => signTest(wins, losses)).toThrow(ArgumentError);
    }
  });
});

describe('mutualInformationOf', () => {
  it('is 0 for independent variables and ln C for equal ones', () => {
    expect(
      mutualInformationOf([
        [0.12, 0.28],
        [0.18, 0.42],
      ]),
    ).toBeCloseTo(0, 12);
    expect(
      mutualInformationOf([
        [2, 0, 0],
        [0, 2, 0],
        [0, 0, 2],
      ]),
    ).toBeCloseTo(Math.log(3), 12);
    expect(mutualInformationOf([[1]])).toBe(0);
  });

  it('is the formula in between', () => {
    const value =
      0.4 * Math.log(0.4 / (0.5 * 0.6)) +
      0.1 * Math.log(0.1 / (0.5 * 0.4)) +
      0.2 * Math.log(0.2 / 0.3) +
      0.3 * Math.log(0.3 / 0.2);
    expect(
      mutualInformationOf([
        [0.4, 0.1],
        [0.2, 0.3],
      ]),
    ).toBeCloseTo(value, 12);
  });
});
