import { describe, expect, it } from 'vitest';
import { Dataset } from '../../data/dataset.js';
import { balancedSubset, splitDataset } from '../../data/split.js';
import { ArgumentError } from '../../engine/errors.js';

/** Example i is the byte i, of class i % classes. */
function toy(size: number, classes = 4): Dataset {
  return new Dataset({
    name: 'toy',
    images: Uint8Array.from({ length: size }, (_, i) => i),
    labels: Array.from({ length: size }, (_, i) => i % classes),
    shape: [size, 1],
    classes,
    classNames: Array.from({ length: classes }, (_, i) => `kind ${i}`),
  });
}

const counts = ({ labels, classes }: Dataset): number[] =>
  Array.from({ length: classes }, (_, label) => labels.filter((each) => each === label).length);

describe('splitDataset', () => {
  it('puts every example into one of the parts, in the order of the whole', () => {
    for (const [validation, count] of [
      [7, 7],
      [0.25, 10],
      [1, 1],
      [40, 40],
    ] as const) {
      const { training, validation: aside } = splitDataset(toy(41), { validation, seed: 3 });
      expect(aside.size).toBe(count);
      expect(training.size).toBe(41 - count);
      for (const part of [training, aside]) {
        expect([...part.images]).toEqual([...part.images].sort((a, b) => a - b));
        expect([...part.labels]).toEqual([...part.images].map((value) => value % 4));
        expect(part.classNames).toEqual(['kind 0', 'kind 1', 'kind 2', 'kind 3']);
      }
      expect(new Set([...training.images, ...aside.images]).size).toBe(41);
    }
  });

  it('is a function of the seed', () => {
    const chosen = (seed?: number) => [...splitDataset(toy(100), { validation: 20, seed }).validation.images].join();
    expect(chosen(5)).toBe(chosen(5));
    expect(chosen()).toBe(chosen(0));
    expect(new Set([0, 1, 2, 3].map(chosen)).size).toBe(4);
  });

  it('takes as many of each class where it is to', () => {
    const { training, validation } = splitDataset(toy(42), { validation: 12, balanced: true });
    expect(counts(validation)).toEqual([3, 3, 3, 3]);
    expect(counts(training)).toEqual([8, 8, 7, 7]);
    expect(new Set([...training.images, ...validation.images]).size).toBe(42);
  });

  it('refuses what leaves a part empty or unequal', () => {
    for (const validation of [0, 41, 50, -1, 1.5, NaN, 0.001, 0.999]) {
      expect(() => splitDataset(toy(41), { validation })).toThrow(ArgumentError);
      expect(() => splitDataset(toy(41), { validation })).toThrow(/^split: validation .* of the 41 examples of toy/);
    }
    expect(() => splitDataset(toy(41), { validation: 10, balanced: true })).toThrow(/take a multiple of 4/);
    expect(() => splitDataset(toy(9), { validation: 8, balanced: true, seed: 1 })).not.toThrow();
    expect(() => splitDataset(toy(7), { validation: 4, balanced: true })).not.toThrow();
    expect(() => splitDataset(toy(13, 12), { validation: 12, balanced: true })).not.toThrow();
    expect(() => splitDataset(toy(11, 10), { validation: 10, balanced: true, seed: -1 })).toThrow(ArgumentError);
  });
});

describe('balancedSubset', () => {
  it('takes as many of each class, more of which hold fewer', () => {
    const few = balancedSubset(toy(90), 3, 8);
    const more = balancedSubset(toy(90), 11, 8);
    expect(counts(few)).toEqual([3, 3, 3, 3]);
    expect(counts(more)).toEqual([11, 11, 11, 11]);
    expect([...more.images]).toEqual(expect.arrayContaining([...few.images]));
    expect([...few.images]).toEqual([...few.images].sort((a, b) => a - b));
    expect([...balancedSubset(toy(90), 3, 8).images]).toEqual([...few.images]);
    expect([...balancedSubset(toy(90), 3, 9).images]).not.toEqual([...few.images]);
  });

  it('names the class that has too few', () => {
    expect(() => balancedSubset(toy(11), 3)).toThrow(
      new ArgumentError('balancedSubset: toy has 2 examples of class 3 (kind 3), fewer than 3'),
    );
    for (const count of [0, -1, 1.5, NaN]) expect(() => balancedSubset(toy(11), count)).toThrow(/expected an integer/);
  });
});
