import { FormatError } from '../engine/errors.js';

const MIB = 2 ** 20;

/** The largest file of a model or of a run that is taken, in bytes: twenty times what the shipped network takes at its full width. */
export const LARGEST_MODEL = 48 * MIB;

/** The largest file of images that is taken, in bytes, packed or not: twice what the training images of MNIST are. */
export const LARGEST_IMAGES = 96 * MIB;

/** Throws a `FormatError` in a sentence for a file that is larger; it need not have been read. */
export function checkSize({ name, size }: { readonly name: string; readonly size: number }, most: number): void {
  if (size > most) {
    throw new FormatError(`${name}: has ${Math.ceil(size / MIB)} MiB; at most ${most / MIB} MiB are taken.`);
  }
}
