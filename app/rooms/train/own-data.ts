import type { Dataset } from '../../../data/dataset.js';
import { gunzip, isGzip, type NamedBytes } from '../../../data/gzip.js';
import { parseIdx } from '../../../data/idx.js';
import { mnist } from '../../../data/mnist.js';
import { LARGEST_IMAGES, checkSize } from '../../size-limit.js';
import { checkCount } from './file-count.js';

/** What to learn from, and what to measure on. */
export interface Halves {
  readonly train: Dataset;
  readonly test: Dataset;
}

/**
 * Datasets in MNIST's format from files in any order: told apart by their contents, labels having one axis and images three, and
 * brought together by their counts. Four files are a training and a test set, the larger one being that to learn from; two are both.
 *
 * @throws Error in a sentence, for files that are too large, not IDX, or do not belong together
 */
export async function ownData(files: readonly NamedBytes[]): Promise<Halves> {
  checkCount(files.length);
  const unpacked = await Promise.all(files.map(unpack));
  const read = unpacked.map((file) => ({ file, shape: parseIdx(file).shape }));
  const labels = read.filter(({ shape }) => shape.length === 1);
  if (new Set(labels.map(({ shape: [count] }) => count)).size < labels.length) {
    throw new Error('Both sets have as many labels: which belong to which images cannot be told. Give two files.');
  }
  const sets = await Promise.all(
    read
      .filter(({ shape }) => shape.length > 1)
      .map(({ file, shape: [count = 0] }) => {
        const own = labels.find(({ shape }) => shape[0] === count);
        if (!own) throw new Error(`${file.name}: none of the files has labels for its ${count} images.`);
        return mnist({ images: file, labels: own.file, name: file.name });
      }),
  );
  const [first, second] = sets.toSorted((a, b) => b.size - a.size);
  if (!first || (files.length === 4 && !second)) throw new Error('These files are labels only: images are missing.');
  return { train: first, test: second ?? first };
}

async function unpack(file: NamedBytes): Promise<NamedBytes> {
  checkSize({ name: file.name, size: file.bytes.length }, LARGEST_IMAGES);
  if (!isGzip(file.bytes)) return file;
  const { bytes } = await gunzip(file, LARGEST_IMAGES);
  return { name: `${file.name} (unpacked)`, bytes };
}
