import type { Dataset } from '../../../data/dataset.js';
import type { NamedBytes } from '../../../data/gzip.js';
import { readIdx } from '../../../data/idx.js';
import { mnist } from '../../../data/mnist.js';

const MAX_BYTES = 100e6;

/** What to learn from, and what to measure on. */
export interface Halves {
  readonly train: Dataset;
  readonly test: Dataset;
}

/**
 * Datasets in MNIST's format from files in any order: told apart by their contents, labels having one axis and images three, and
 * brought together by their counts. Four files are a training and a test set, the larger one being that to learn from; two are both.
 *
 * @throws Error in a sentence, for files that are not IDX or do not belong together
 */
export async function ownData(files: readonly NamedBytes[]): Promise<Halves> {
  if (files.length !== 2 && files.length !== 4) {
    throw new Error(`${files.length} files: give two (images and labels), or four (of a training and a test set).`);
  }
  for (const { name, bytes } of files) {
    if (bytes.length > MAX_BYTES)
      throw new Error(`${name}: ${Math.round(bytes.length / 1e6)} MB are too much; at most 100.`);
  }
  const read = await Promise.all(files.map(async (file) => ({ file, array: await readIdx(file) })));
  const counts = read.filter(({ array }) => array.shape.length === 1).map(({ array }) => array.shape[0]);
  if (new Set(counts).size < counts.length) {
    throw new Error('Both sets have as many labels: which belong to which images cannot be told. Give two files.');
  }
  const sets = await Promise.all(
    read
      .filter(({ array }) => array.shape.length > 1)
      .map(async ({ file, array }) => {
        const labels = read.find(({ array: { shape } }) => shape.length === 1 && shape[0] === array.shape[0]);
        if (!labels)
          throw new Error(`${file.name}: none of the files has labels for its ${array.shape[0] ?? 0} images.`);
        return mnist({ images: file, labels: labels.file, name: file.name });
      }),
  );
  const [first, second] = sets.toSorted((a, b) => b.size - a.size);
  if (!first || (files.length === 4 && !second)) throw new Error('These files are labels only: images are missing.');
  return { train: first, test: second ?? first };
}
