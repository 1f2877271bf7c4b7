import { join } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { shapes32 } from '../data/shapes32.js';
import { Generator } from '../engine/random.js';
import { loadCifar10, loadCifar100 } from '../node/cifar.js';
import type { Split } from '../node/data-folder.js';
import { classFolders, loadImageFolder } from '../node/image-folder.js';
import { loadFashionMnist, loadMnist } from '../node/mnist.js';
import type { DatasetName } from './config.js';
import { UsageError } from './errors.js';

/** Reads a half of a dataset, all of it or no less than `count` examples. */
type LoadHalf = (split: Split, folder: string | undefined, count: number | undefined) => Promise<Dataset>;

const LOADERS: Readonly<Record<DatasetName, LoadHalf>> = {
  mnist: loadMnist,
  'fashion-mnist': loadFashionMnist,
  cifar10: loadCifar10,
  cifar100: (split, folder) => loadCifar100(split, folder),
  shapes32: makeShapes,
  folder: loadImages,
};

/**
 * One half of a dataset, or its first `count` examples.
 *
 * @param option the option that `count` comes from, for errors
 * @throws UsageError where it has fewer, for shapes32 with a folder, and for dataset folder without one; ArgumentError and FormatError
 * where its files are missing or broken
 */
export async function loadDataset(
  name: DatasetName,
  split: Split,
  { folder, count, option }: { folder?: string | undefined; count?: number | undefined; option: string },
): Promise<Dataset> {
  const dataset = await LOADERS[name](split, folder, count);
  if (count === undefined) return dataset;
  if (count > dataset.size) {
    throw new UsageError(`${option}: ${dataset.name} has ${dataset.size} examples, not ${count}; ask for fewer`);
  }
  return dataset.take(count);
}

function makeShapes(split: Split, folder: string | undefined, count: number | undefined): Promise<Dataset> {
  if (folder !== undefined) throw new UsageError('--data: shapes32 is generated; it has no files');
  return Promise.resolve(shapes32({ split, count }));
}

/** Images by class of `train` or `test` in a folder, in random order, so that the first ones are of all classes. */
async function loadImages(split: Split, folder: string | undefined): Promise<Dataset> {
  if (folder === undefined) {
    throw new UsageError('--data: name the folder that holds the images, as train/class/image.png and test/class/...');
  }
  const classNames = await classFolders(join(folder, 'train'));
  const images = await loadImageFolder(join(folder, split), { classNames });
  return images.subset(new Generator(0, { purpose: 'data' }).permutation(images.size));
}
