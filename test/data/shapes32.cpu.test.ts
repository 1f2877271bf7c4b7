import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../data/dataset.js';
import { SHAPES32_CLASSES, shapes32 } from '../../data/shapes32.js';
import { ArgumentError } from '../../engine/errors.js';

const PIXELS = 1024;

/** Part of `test` whose features are nearest to the mean features of their class in `train`: a linear classifier. */
function nearestMean(
  train: Dataset,
  test: Dataset,
  features: (image: Uint8Array) => number[],
  classOf = (l: number) => l,
) {
  const imagesOf = ({ images, size }: Dataset) =>
    Array.from({ length: size }, (_, i) => features(Uint8Array.from(images.subarray(3072 * i, 3072 * (i + 1)))));
  const sums = new Map<number, { total: number[]; count: number }>();
  imagesOf(train).forEach((values, i) => {
    const label = classOf(train.labels[i] ?? 0);
    const { total, count } = sums.get(label) ?? { total: values.map(() => 0), count: 0 };
    sums.set(label, { total: total.map((sum, k) => sum + (values[k] ?? 0)), count: count + 1 });
  });
  const means = [...sums].map(([label, { total, count }]) => ({ label, mean: total.map((sum) => sum / count) }));
  const right = imagesOf(test).filter((values, i) => {
    const distances = means.map(({ label, mean }) => ({
      label,
      distance: mean.reduce((sum, each, k) => sum + (each - (values[k] ?? 0)) ** 2, 0),
    }));
    return distances.sort((a, b) => a.distance - b.distance)[0]?.label === classOf(test.labels[i] ?? 0);
  });
  return right.length / test.size;
}

const meanColor = (image: Uint8Array): number[] =>
  [0, 1, 2].map((channel) => {
    const plane = image.subarray(channel * PIXELS, (channel + 1) * PIXELS);
    return plane.reduce((sum, value) => sum + value, 0) / PIXELS;
  });

/** Reds less blues in the saturated pixels: what colour family dominates, wherever it is. */
const warmth = (image: Uint8Array): number[] => {
  let sum = 0;
  for (let at = 0; at < PIXELS; at++) {
    const [red = 0, green = 0, blue = 0] = [image[at], image[PIXELS + at], image[2 * PIXELS + at]];
    const [most, least] = [Math.max(red, green, blue), Math.min(red, green, blue)];
    if (most - least > 0.55 * most) sum += Math.sign(red - blue);
  }
  return [sum];
};

describe('shapes32', () => {
  const train = shapes32({ count: 1000 });
  const test = shapes32({ count: 500, split: 'test' });

  it('is a byte dataset of ten named classes, as many examples of each', () => {
    expect(train).toMatchObject({ name: 'shapes32 (train)', shape: [1000, 3, 32, 32], classes: 10 });
    expect(train.images).toBeInstanceOf(Uint8Array);
    expect(train.classNames).toEqual(SHAPES32_CLASSES);
    expect(SHAPES32_CLASSES).toEqual(
      ['circle', 'square', 'triangle', 'cross', 'ring'].flatMap((shape) => [`warm ${shape}`, `cool ${shape}`]),
    );
    const counts = Array<number>(10).fill(0);
    for (const label of train.labels) counts[label] = (counts[label] ?? 0) + 1;
    expect(counts).toEqual(Array<number>(10).fill(100));
    expect(shapes32({ count: 0 }).size).toBe(0);
  });

  it('uses the whole range of bytes', () => {
    const histogram = new Uint32Array(256);
    for (const value of train.images) histogram[value] = (histogram[value] ?? 0) + 1;
    expect(histogram.every((count) => count > 0)).toBe(true);
    // Nothing is mostly cut off at the ends.
    expect(((histogram[0] ?? 0) + (histogram[255] ?? 0)) / train.images.length).toBeLessThan(0.1);
  });

  it('makes example i from seed, split and i alone', () => {
    const few = shapes32({ count: 7, seed: 0 });
    expect(few.images).toEqual(train.images.slice(0, 7 * 3072));
    const others = [test.take(7), shapes32({ count: 7, seed: 1 })];
    for (const { images } of others) {
      for (let i = 0; i < 7; i++) {
        expect(images.slice(3072 * i, 3072 * (i + 1))).not.toEqual(few.images.slice(3072 * i, 3072 * (i + 1)));
      }
    }
    const distinct = new Set(
      Array.from({ length: 1000 }, (_, i) => train.images.subarray(3072 * i, 3072 * i + 64).join()),
    );
    expect(distinct.size).toBe(1000);
  });

  it('is the same bytes as ever, on every machine', async () => {
    const hash = await crypto.subtle.digest('SHA-256', Uint8Array.from(train.images.subarray(0, 200 * 3072)));
    expect(Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')).toBe(
      '4e619708f335d0cc7981a3e64bfd4e189ddac08d0b9eb3316f44025d69b7c06c',
    );
  });

  it('cannot be told apart by its mean colour, nor linearly by its pixels, nor by colour without shape', () => {
    expect(nearestMean(train, test, meanColor)).toBeLessThan(0.25);
    expect(nearestMean(train, test, (image) => [...image])).toBeLessThan(0.35);
    // Colour without shape finds the family, which it is to find, and then one class in five.
    expect(nearestMean(train, test, warmth, (label) => label % 2)).toBeGreaterThan(0.8);
    expect(nearestMean(train, test, warmth)).toBeLessThan(0.3);
  });

  it('refuses a count that is none', () => {
    for (const count of [-1, 0.5, NaN, 2 ** 31]) expect(() => shapes32({ count })).toThrow(ArgumentError);
    expect(() => shapes32({ count: -1 })).toThrow(/^shapes32: -1 examples; expected an integer of 0 .. 2\^31 - 1/);
    expect(() => shapes32({ count: 1, seed: -1 })).toThrow(/seed: -1/);
  });
});
