import { pictureAsMnist } from './drawing.js';

/** The largest file that is taken, in bytes. */
const LARGEST_PICTURE = 20 * 2 ** 20;

/** The longest side that is looked at, in pixels: ten times MNIST's. */
const LONGEST_SIDE = 280;

/**
 * A picture (whatever the browser reads: PNG, JPEG) as MNIST has it, 28 x 28 values from 0 to 1. For workers.
 *
 * @throws Error in a sentence where the file is too large or no picture
 */
export async function decodePicture(file: File): Promise<Float32Array> {
  if (file.size > LARGEST_PICTURE) {
    throw new Error(`${file.name}: is too large; pictures of at most ${LARGEST_PICTURE / 2 ** 20} MiB are taken.`);
  }
  const bitmap = await createImageBitmap(file).catch((cause: unknown) => {
    throw new Error(`${file.name}: is no picture that this browser can read; take a PNG or a JPEG.`, { cause });
  });
  try {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.height, bitmap.width));
    const [height, width] = [bitmap.height, bitmap.width].map((side) => Math.max(1, Math.round(side * scale))) as [
      number,
      number,
    ];
    const context = new OffscreenCanvas(width, height).getContext('2d');
    if (!context) throw new Error(`${file.name}: this browser gives no canvas to read it with.`);
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, width, height);
    return pictureAsMnist(context.getImageData(0, 0, width, height).data, height, width);
  } finally {
    bitmap.close();
  }
}
