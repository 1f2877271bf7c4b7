import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../engine/errors.js';
import { normalTail } from '../../engine/normal.js';
import { Generator, addU64, philox4x32, type GeneratorState } from '../../engine/random.js';
import { PHILOX_VECTORS } from '../support/philox-vectors.js';

type Counter = [number, number, number, number];

function block(counter: Counter, key: [number, number]): number[] {
  const out = new Uint32Array(4);
  philox4x32(counter, key, out);
  return [...out];
}

/** Greatest distance between the samples' distribution function and `cdf`. */
function kolmogorovSmirnov(samples: Float32Array, cdf: (x: number) => number): number {
  const sorted = samples.slice().sort();
  let distance = 0;
  sorted.forEach((x, i) => {
    const expected = cdf(x);
    distance = Math.max(distance, expected - i / sorted.length, (i + 1) / sorted.length - expected);
  });
  return distance;
}

/** Mean of the samples' `power`-th powers. */
function moment(samples: Float32Array, power: number): number {
  return samples.reduce((sum, x) => sum + x ** power, 0) / samples.length;
}

describe('philox4x32', () => {
  it.each(PHILOX_VECTORS)('gives the published words for counter $counter, key $key', ({ counter, key, words }) => {
    expect(block(counter, key)).toEqual(words);
  });
});

describe('addU64', () => {
  it('carries and wraps as a 64-bit counter does', () => {
    const starts = [0n, 1n, 0xffffffffn, 0x100000000n, 0xfffffffeffffffffn, 0xffffffffffffffffn];
    for (const start of starts) {
      for (const count of [0, 1, 2, 0xffffffff, 0x100000000, 2 ** 53 - 1]) {
        const sum = (start + BigInt(count)) & 0xffffffffffffffffn;
        const words = addU64([Number(start & 0xffffffffn), Number(start >> 32n)], count);
        expect(words).toEqual([Number(sum & 0xffffffffn), Number(sum >> 32n)]);
      }
    }
  });
});

describe('Generator', () => {
  it('lays the blocks of its stream end to end', () => {
    const generator = new Generator(0xa4093822n + (0x299f31d0n << 32n), { purpose: 'shuffle', index: 7 });
    const expected = [0, 1, 2].flatMap((offset) => block([offset, 0, 7, 2], [0xa4093822, 0x299f31d0]));
    expect([...generator.words(10)]).toEqual(expected.slice(0, 10));
    expect(generator.state().offset).toEqual([3, 0]);
  });

  it('moves on by the blocks that a draw uses', () => {
    const generator = new Generator(1);
    const offsets = [0, 1, 4, 5, 1027].map((n) => {
      generator.uniform(n);
      return generator.state().offset[0];
    });
    expect(offsets).toEqual([0, 1, 2, 4, 261]);
  });

  it('carries its offset into the high word', () => {
    const generator = new Generator(3);
    generator.setState({ ...generator.state(), offset: [0xffffffff, 4] });
    expect([...generator.words(8)]).toEqual([...block([0xffffffff, 4, 0, 0], [3, 0]), ...block([0, 5, 0, 0], [3, 0])]);
  });

  it('continues from a saved state with the numbers it would have had', () => {
    const unbroken = new Generator(5, { purpose: 'start' });
    unbroken.normal(13);
    unbroken.permutation(9);
    const saved = JSON.stringify(unbroken.state());
    const rest = [...unbroken.normal(6), ...unbroken.integers(5, 1000)];
    const resumed = Generator.fromState(JSON.parse(saved) as GeneratorState);
    expect([...resumed.normal(6), ...resumed.integers(5, 1000)]).toEqual(rest);
  });

  it('gives other numbers for another seed, purpose or index', () => {
    const first = (generator: Generator): string => generator.words(4).join();
    const streams = [
      new Generator(0),
      new Generator(1),
      new Generator(2 ** 32),
      new Generator(0, { index: 1 }),
      new Generator(0, { purpose: 'dropout' }),
      new Generator(0, { purpose: 'dropout', index: 1 }),
    ];
    expect(new Set(streams.map(first)).size).toBe(streams.length);
  });

  it('refuses seeds, streams, counts, bounds and states outside their domains', () => {
    const bad: [() => unknown, RegExp][] = [
      [() => new Generator(-1), /seed: -1/],
      [() => new Generator(0.5), /seed: 0.5/],
      [() => new Generator(2 ** 53), /seed/],
      [() => new Generator(1n << 64n), /seed/],
      [() => new Generator(NaN), /seed: NaN/],
      [() => new Generator(0, { index: -1 }), /index -1/],
      [() => new Generator(0, { purpose: 'fun' as 'general' }), /unknown purpose 'fun'; there are general/],
      [() => new Generator(0).uniform(-1), /uniform: -1/],
      [() => new Generator(0).normal(1.5), /normal: 1.5/],
      [() => new Generator(0).uniform(1, -1), /bound -1/],
      [() => new Generator(0).uniform(1, Infinity), /bound Infinity/],
      [() => new Generator(0).normal(1, NaN), /standard deviation NaN/],
      [() => new Generator(0).integers(1, 0), /bound 0/],
      [() => new Generator(0).integers(1, 2 ** 32 + 1), /bound 4294967297/],
      [() => new Generator(0).setState({ seed: [0, 0], stream: [0, 0], offset: [0, -1] }), /offset \[0, -1\]/],
      [() => Generator.fromState({} as GeneratorState), /seed is not a pair/],
    ];
    for (const [attempt, message] of bad) {
      expect(attempt).toThrow(ArgumentError);
      expect(attempt).toThrow(message);
    }
  });
});

describe('uniform', () => {
  const samples = new Generator(11).uniform(1_000_000);

  it('lies in [0, 1) with the uniform distribution', () => {
    expect(samples.every((x) => x >= 0 && x < 1 && Number.isInteger(x * 2 ** 24))).toBe(true);
    expect(kolmogorovSmirnov(samples, (x) => x)).toBeLessThan(0.0017);
    expect(Math.abs(moment(samples, 1) - 1 / 2)).toBeLessThan(0.001);
    expect(Math.abs(moment(samples, 2) - 1 / 3)).toBeLessThan(0.001);
  });

  it('is symmetric with a bound, and never outside it', () => {
    const bound = Math.fround(0.3);
    const symmetric = new Generator(11).uniform(1_000_000, 0.3);
    expect(symmetric.every((x) => Math.abs(x) <= bound)).toBe(true);
    expect(symmetric.every((x, i) => x === Math.fround(((samples[i] ?? 0) * 2 - 1) * bound))).toBe(true);
    expect(Math.abs(moment(symmetric, 1))).toBeLessThan(0.001);
    expect([...new Generator(11).uniform(5, 0)].map(Math.abs)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('normal', () => {
  const samples = new Generator(12).normal(1_000_000);

  it('has the moments of the standard normal distribution', () => {
    // Four standard errors of each moment at a million samples.
    expect(Math.abs(moment(samples, 1))).toBeLessThan(0.004);
    expect(Math.abs(moment(samples, 2) - 1)).toBeLessThan(0.0057);
    expect(Math.abs(moment(samples, 3))).toBeLessThan(0.0155);
    expect(Math.abs(moment(samples, 4) - 3)).toBeLessThan(0.04);
  });

  it('has its distribution function', () => {
    const cdf = (x: number): number => (x < 0 ? normalTail(-x) : 1 - normalTail(x));
    // The distance that a true normal sample of this size exceeds once in 160 times.
    expect(kolmogorovSmirnov(samples, cdf)).toBeLessThan(0.0017);
  });

  it('scales by the standard deviation with one rounding', () => {
    const scaled = new Generator(12).normal(1000, 0.37);
    expect([...scaled]).toEqual(Array.from(samples.subarray(0, 1000), (x) => Math.fround(x * Math.fround(0.37))));
  });
});

describe('integers', () => {
  it('are equally likely below the bound', () => {
    for (const bound of [1, 2, 3, 10, 7_000]) {
      const counts = new Float64Array(bound);
      for (const value of new Generator(13).integers(70_000, bound)) counts[value] = (counts[value] ?? NaN) + 1;
      const expected = 70_000 / bound;
      const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      expect(chiSquare).toBeLessThanOrEqual(bound - 1 + 4 * Math.sqrt(2 * (bound - 1)));
    }
  });

  it('rejects words instead of folding them unevenly', () => {
    // With a bound of 3 * 2^30 a quarter of all words is rejected; a plain remainder would favour the lower third.
    const bound = 3 * 2 ** 30;
    const values = new Generator(14).integers(30_000, bound);
    const low = values.filter((value) => value < 2 ** 30).length;
    expect(Math.abs(low - 10_000)).toBeLessThan(4 * Math.sqrt(30_000 * (2 / 9)));
    expect(values.every((value) => value < bound)).toBe(true);
  });

  it('cover all of 32 bits', () => {
    expect([...new Generator(15).integers(8, 2 ** 32)]).toEqual([...new Generator(15).words(8)]);
  });
});

describe('permutation', () => {
  it('holds each number once', () => {
    for (const n of [0, 1, 2, 3, 1027, 60_000]) {
      const order = new Generator(n).permutation(n);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }
  });

  it('gives every order equally often', () => {
    const generator = new Generator(16);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = generator.permutation(4).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(49.7); // one in a thousand, 23 degrees of freedom
  });
});
