import { PNG } from 'pngjs';

/** Red, green and blue, 0 to 255. */
type Colour = readonly [number, number, number];

/**
 * An image `[1, h, w]` (grey) or `[3, h, w]` (colour) of values in [0, 1] as a PNG data URI. Rounded to 8 bits: to look at,
 * not to classify.
 */
export function imageUri(image: Float32Array, shape: readonly number[]): string {
  const area = areaOf(shape);
  const grey = image.length < 3 * area;
  return png(shape, (at) => {
    const channel = (c: number): number => Math.round(255 * clamp01(image[grey ? at : c * area + at] ?? 0));
    return [channel(0), channel(1), channel(2)];
  });
}

/**
 * The difference of two images as a PNG data URI, averaged over the channels: white where there is none, red where `to` is
 * brighter by `scale`, blue where it is darker by as much.
 */
export function perturbationUri(
  from: Float32Array,
  to: Float32Array,
  { shape, scale }: { readonly shape: readonly number[]; readonly scale: number },
): string {
  const area = areaOf(shape);
  const channels = Math.max(1, Math.round(from.length / area));
  return png(shape, (at) => {
    let difference = 0;
    for (let c = 0; c < channels; c++) difference += (to[c * area + at] ?? 0) - (from[c * area + at] ?? 0);
    return divergingColour(scale > 0 ? difference / channels / scale : 0);
  });
}

/** The ends of the diverging scale, told apart by the colour-blind too. */
export const DARKER: Colour = [33, 102, 172];
export const BRIGHTER: Colour = [178, 24, 43];

/** Blue at -1, white at 0, red at 1. */
export function divergingColour(value: number): Colour {
  const end = value < 0 ? DARKER : BRIGHTER;
  const part = Math.min(1, Math.abs(value));
  const mix = (c: number): number => Math.round(255 + (c - 255) * part);
  return [mix(end[0]), mix(end[1]), mix(end[2])];
}

function png(shape: readonly number[], colourAt: (pixel: number) => Colour): string {
  const [height = 1, width = 1] = shape.slice(-2);
  const image = new PNG({ width, height });
  for (let at = 0; at < width * height; at++) image.data.set([...colourAt(at), 255], 4 * at);
  return `data:image/png;base64,${PNG.sync.write(image, { colorType: 2 }).toString('base64')}`;
}

function areaOf(shape: readonly number[]): number {
  return shape.slice(-2).reduce((area, length) => area * length, 1);
}

function clamp01(value: number): number {
  return Math.min(1, Math.max(0, value));
}
