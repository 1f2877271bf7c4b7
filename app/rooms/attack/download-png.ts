import { save } from '../../save-file.js';

const SIDE = 28;

/** Saves 28 x 28 values from 0 to 1 as a grey PNG, each rounded to a byte. */
export async function downloadPng(pixels: Float32Array, name: string): Promise<void> {
  const canvas = Object.assign(document.createElement('canvas'), { width: SIDE, height: SIDE });
  const picture = new ImageData(SIDE, SIDE);
  pixels.forEach((value, i) => picture.data.set([...Array<number>(3).fill(Math.round(255 * value)), 255], 4 * i));
  canvas.getContext('2d')?.putImageData(picture, 0, 0);
  const file = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (file) save(file, name);
}
