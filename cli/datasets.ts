import { join } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { shapes32 } from '../data/shapes32.js';
import { Generator } from '../engine/random.js';
import { loadCifar10, loadCifar100 } from '../node/cifar.js';
import type { Split } from '../node/data-folder.js';
import { classFolders, loadImageFolder } from '../node/image-folder.js';
import { loadFashionMnist, loadMnist } from '../node/mnist.js';
import type { DatasetName } from './config.js';
import type { Context } from './context.js';
import { UsageError } from './errors.js';
import { startProgress } from './progress.js';

/** What to read of a dataset, and from where. */
export interface Loading {
  readonly folder?: string | undefined;
  /** Its first examples; all unless told. */
  readonly count?: number | undefined;
  /** The option that `count` comes from, for errors. */
  readonly option: string;
  /** Take fewer where there are no more: nobody has asked for so many. */
  readonly atMost?: boolean;
  /** The side of the square that images of dataset folder are brought to. */
  readonly imageSize?: number | undefined;
  /** Where to show how the decoding of a folder's images goes on, and what may ask to stop it. */
  readonly context?: Context | undefined;
  /** What an example has to be, and what wants it so: 'the model takes'. */
  readonly expected?: { readonly shape: readonly number[]; readonly by: string };
}

/** Reads a half of a dataset, all of it or no less than `count` examples. */
type LoadHalf = (split: Split, folder: string | undefined, loading: Loading) => Promise<Dataset>;

const LOADERS: Readonly<Record<DatasetName, LoadHalf>> = {
  mnist: (split, folder) => loadMnist(split, folder),
  'fashion-mnist': (split, folder) => loadFashionMnist(split, folder),
  cifar10: (split, folder) => loadCifar10(split, folder),
  cifar100: (split, folder) => loadCifar100(split, folder),
  shapes32: makeShapes,
  folder: loadImages,
};

/**
 * One half of a dataset, or its first `count` examples.
 *
 * @throws UsageError where it has fewer, where its examples are not what is expected, for shapes32 with a folder, and for dataset folder
 * without one; ArgumentError and FormatError where its files are missing or broken
 */
export async function loadDataset(name: DatasetName, split: Split, loading: Loading): Promise<Dataset> {
  const { folder, count, option, atMost = false, imageSize, expected } = loading;
  if (imageSize !== undefined && name !== 'folder') {
    throw new UsageError(`--image-size: brings images of dataset folder to a size; ${name} has one`);
  }
  const dataset = await LOADERS[name](split, folder, loading);
  if (expected) checkShape(dataset, expected, name);
  if (count === undefined || (atMost && count > dataset.size)) return dataset;
  if (count > dataset.size) {
    throw new UsageError(`${option}: ${dataset.name} has ${dataset.size} examples, not ${count}; ask for fewer`);
  }
  return dataset.take(count);
}

function checkShape(dataset: Dataset, { shape, by }: NonNullable<Loading['expected']>, name: DatasetName): void {
  const found = dataset.exampleShape;
  if (shape.join() === found.join()) return;
  const [side, other] = shape.slice(1);
  const sizes = found.slice(1).join() !== shape.slice(1).join();
  const hint = name === 'folder' && sizes && side === other ? `; --image-size ${side} brings them to that size` : '';
  throw new UsageError(
    `${dataset.name}: its images are [${found.join(', ')}] (channels, height, width), but ${by} [${shape.join(', ')}]${hint}`,
  );
}

function makeShapes(split: Split, folder: string | undefined, { count }: Loading): Promise<Dataset> {
  if (folder !== undefined) throw new UsageError('--data: shapes32 is generated; it has no files');
  return Promise.resolve(shapes32({ split, count }));
}

/** Images by class of `train` or `test` in a folder, in random order, so that the first ones are of all classes. */
async function loadImages(
  split: Split,
  folder: string | undefined,
  { imageSize, expected, context }: Loading,
): Promise<Dataset> {
  if (folder === undefined) {
    throw new UsageError('--data: name the folder that holds the images, as train/class/image.png and test/class/...');
  }
  const classNames = await classFolders(join(folder, 'train'));
  // Grey images are coloured ones too, if need be.
  const channels = expected?.shape[0] === 3 ? 3 : undefined;
  const images = await withProgress(context, `read ${split}`, (onProgress) =>
    loadImageFolder(join(folder, split), { classNames, size: imageSize, channels, onProgress }),
  );
  return images.subset(new Generator(0, { purpose: 'data' }).permutation(images.size));
}

/** Does something that says how many images it is through with, on a progress display. */
async function withProgress<T>(
  context: Context | undefined,
  label: string,
  work: (onProgress?: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  if (!context) return work();
  const display = startProgress(context, label, 'images');
  const started = performance.now();
  try {
    return await work((done, total) => {
      context.signal.throwIfAborted();
      const rate = done / Math.max(1e-3, (performance.now() - started) / 1000);
      display.show({ done, total, rate, secondsLeft: (total - done) / rate });
    });
  } finally {
    display.stop();
  }
}
