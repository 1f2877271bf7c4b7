import { centerDrawing } from './center-drawing.js';

const MAX_BYTES = 20e6;

/** Pictures are read at this size at most: more detail than 28 x 28 can show. */
const MAX_SIDE = 224;

/**
 * A picture file as an image of the page, [28, 28]: its brightness, turned over where the ground is bright, fitted as MNIST's are.
 *
 * @throws Error with a sentence where it is no picture, is too large, or has nothing on it
 */
export async function readPicture(file: File): Promise<Float32Array> {
  if (file.size > MAX_BYTES) {
    throw new Error(
      `${file.name}: ${Math.round(file.size / 1e6)} MB are too much for a picture; at most ${MAX_BYTES / 1e6}.`,
    );
  }
  const bitmap = await createImageBitmap(file).catch((cause: unknown) => {
    throw new Error(`${file.name}: is no picture that this browser can read.`, { cause });
  });
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((length) => Math.max(1, Math.round(length * scale)));
  const canvas = new OffscreenCanvas(width ?? 1, height ?? 1);
  const context = canvas.getContext('2d');
  if (!context) throw new Error(`${file.name}: this browser cannot draw it.`);
  // What is transparent is ground.
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const drawing = inkOf(data, canvas.width);
  const image = centerDrawing(drawing, canvas.width);
  if (!image) throw new Error(`${file.name}: has nothing on it but one colour.`);
  return image;
}

/** Ink from 0 to 1: the distance from the ground, which is what the outermost part has most of, bright or dark. */
export function inkOf(rgba: ArrayLike<number>, width: number): Float32Array {
  const count = rgba.length / 4;
  const height = count / width;
  const bright = Float32Array.from({ length: count }, (_, i) => {
    const [r = 0, g = 0, b = 0] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    return (0.299 * r + 0.587 * g + 0.114 * b) / 255;
  });
  // Thick enough that a frame around the picture does not count.
  const ring = Math.ceil(0.08 * Math.min(width, height));
  const border = bright.filter((_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return Math.min(x, y, width - 1 - x, height - 1 - y) < ring;
  });
  const ground = border.toSorted()[Math.floor(border.length / 2)] ?? 0;
  const ink = bright.map((value) => Math.abs(value - ground));
  const most = ink.reduce((a, b) => Math.max(a, b), 0);
  // Paper and noise are no ink.
  return most < 0.1 ? ink.fill(0) : ink.map((value) => Math.max(0, (value / most - 0.15) / 0.85));
}
