import type { Dataset } from '../data/dataset.js';
import { loadMnist, type MnistSplit } from '../node/mnist.js';
import type { DatasetName } from './config.js';
import { UsageError } from './errors.js';

const LOADERS: Readonly<Record<DatasetName, (split: MnistSplit, folder?: string) => Promise<Dataset>>> = {
  mnist: loadMnist,
};

/**
 * One half of a dataset, or its first `count` examples.
 *
 * @param option the option that `count` comes from, for errors
 * @throws UsageError where it has fewer; ArgumentError and FormatError where its files are missing or broken
 */
export async function loadDataset(
  name: DatasetName,
  split: MnistSplit,
  { folder, count, option }: { folder?: string | undefined; count?: number | undefined; option: string },
): Promise<Dataset> {
  const dataset = await LOADERS[name](split, folder);
  if (count === undefined) return dataset;
  if (count > dataset.size) {
    throw new UsageError(`${option}: ${dataset.name} has ${dataset.size} examples, not ${count}; ask for fewer`);
  }
  return dataset.take(count);
}
