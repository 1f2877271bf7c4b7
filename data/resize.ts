import { ArgumentError } from '../engine/errors.js';

/** Bytes of an image: one plane to each channel, each row by row. */
export interface ImageBytes {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** `channels` x `height` x `width`. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * An image at another size, each axis by a triangle filter of its own (bilinear interpolation, widened where it shrinks, so that every
 * pixel counts): what Pillow's BILINEAR computes, rounded once at the end. The proportions change with those of the size.
 *
 * @throws ArgumentError for a width or height that is not an integer from 1 up
 */
export function resizeImage(image: ImageBytes, width: number, height: number): ImageBytes {
  for (const length of [width, height]) {
    if (!Number.isInteger(length) || length < 1) {
      throw new ArgumentError(`resizeImage: ${width} x ${height}; expected integers from 1 up`);
    }
  }
  const { channels } = image;
  if (image.width === width && image.height === height) return image;
  const across = taps(image.width, width);
  const down = taps(image.height, height);
  const data = new Uint8Array(channels * height * width);
  const rows = new Float64Array(image.height * width);
  for (let channel = 0; channel < channels; channel++) {
    const plane = image.data.subarray(channel * image.width * image.height, (channel + 1) * image.width * image.height);
    for (let y = 0; y < image.height; y++) {
      across.forEach((tap, x) => (rows[y * width + x] = filtered(plane, tap, y * image.width, 1)));
    }
    down.forEach((tap, y) => {
      for (let x = 0; x < width; x++) {
        data[(channel * height + y) * width + x] = Math.round(filtered(rows, tap, x, width));
      }
    });
  }
  return { width, height, channels, data };
}

/** The places of a line that one place of its resized line is made of. */
interface Tap {
  readonly first: number;
  /** They add up to 1. */
  readonly weights: readonly number[];
}

function taps(from: number, to: number): Tap[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(from, Math.floor(centre + reach + 0.5));
    const heights = Array.from({ length: end - first }, (_unused, index) =>
      Math.max(0, 1 - Math.abs(first + index + 0.5 - centre) / reach),
    );
    const sum = heights.reduce((total, each) => total + each, 0);
    return { first, weights: heights.map((each) => each / sum) };
  });
}

function filtered(values: ArrayLike<number>, { first, weights }: Tap, start: number, stride: number): number {
  let sum = 0;
  weights.forEach((weight, index) => (sum += weight * (values[start + (first + index) * stride] ?? 0)));
  return sum;
}
