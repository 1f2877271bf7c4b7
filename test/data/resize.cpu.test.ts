import { describe, expect, it } from 'vitest';
import { resizeImage, type ImageBytes } from '../../data/resize.js';
import { ArgumentError } from '../../engine/errors.js';
import { uniformFloats } from '../support/values.js';

function image(width: number, height: number, channels: number, seed: number): ImageBytes {
  return { width, height, channels, data: Uint8Array.from(uniformFloats(width * height * channels, seed, 0, 256)) };
}

/** The height of a triangle of half width `reach` over place `at`, around the middle of the new pixel. */
function height(at: number, place: number, from: number, to: number): number {
  const middle = ((place + 0.5) * from) / to;
  return Math.max(0, 1 - Math.abs(at + 0.5 - middle) / Math.max(1, from / to));
}

/** The weighted mean of all pixels, pixel by pixel: both axes at once. */
function slowly({ width: w, height: h, channels, data }: ImageBytes, width: number, tall: number): number[] {
  const out: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < tall; y++) {
      for (let x = 0; x < width; x++) {
        let [sum, weights] = [0, 0];
        for (let row = 0; row < h; row++) {
          for (let column = 0; column < w; column++) {
            const weight = height(row, y, h, tall) * height(column, x, w, width);
            sum += weight * (data[(channel * h + row) * w + column] ?? 0);
            weights += weight;
          }
        }
        out.push(sum / weights);
      }
    }
  }
  return out;
}

describe('resizeImage', () => {
  it.each([
    [8, 8, 4, 4],
    [5, 7, 3, 2],
    [3, 2, 7, 9],
    [1, 6, 4, 1],
    [9, 4, 9, 1],
    [2, 2, 1, 1],
  ])('takes %d x %d to %d x %d as weighted means', (w, h, width, tall) => {
    const source = image(w, h, 3, w + h);
    const result = resizeImage(source, width, tall);
    expect(result).toMatchObject({ width, height: tall, channels: 3 });
    const expected = slowly(source, width, tall);
    expect(result.data.length).toBe(expected.length);
    // Rounded to the nearest byte.
    result.data.forEach((value, at) => {
      expect(Math.abs(value - (expected[at] ?? NaN))).toBeLessThanOrEqual(0.5 + 1e-9);
    });
  });

  it('leaves an image of that size, and one colour, as they are', () => {
    const source = image(5, 4, 1, 1);
    expect(resizeImage(source, 5, 4)).toBe(source);
    const flat = { width: 6, height: 5, channels: 1, data: new Uint8Array(30).fill(77) };
    expect(new Set(resizeImage(flat, 11, 2).data)).toEqual(new Set([77]));
  });

  it('refuses a size that is none', () => {
    for (const size of [0, -1, 1.5, NaN]) {
      expect(() => resizeImage(image(2, 2, 1, 1), size, 3)).toThrow(ArgumentError);
      expect(() => resizeImage(image(2, 2, 1, 1), 3, size)).toThrow(/expected integers from 1 up/);
    }
  });
});
