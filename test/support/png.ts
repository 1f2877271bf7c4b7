import { PNG } from 'pngjs';

/** A PNG of red, green and blue bytes, `at(x, y)`. */
export function png(
  width: number,
  height: number,
  at: (x: number, y: number) => readonly [number, number, number],
): Uint8Array<ArrayBuffer> {
  const image = new PNG({ width, height });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) image.data.set([...at(x, y), 255], 4 * (y * width + x));
  }
  return new Uint8Array(PNG.sync.write(image));
}
