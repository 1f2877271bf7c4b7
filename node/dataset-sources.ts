/** Where datasets come from, and fetching them. */
import { join } from 'node:path';
import { dataFolder } from './data-folder.js';
import { download, isWhole, type Checksum, type DownloadOptions } from './download.js';
import { makeFolder } from './files.js';
import { lockFolder, type FolderLock } from './lock.js';

/** The datasets that can be fetched. */
export const FETCHED_DATASETS = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100'] as const;

/** One of {@link FETCHED_DATASETS}. */
export type FetchedDataset = (typeof FETCHED_DATASETS)[number];

/** A file of a dataset. */
export interface SourceFile {
  readonly file: string;
  readonly checksum: Checksum;
}

/** Where a dataset comes from. */
export interface DatasetSource {
  /** Its images in a few words. */
  readonly about: string;
  /** Bytes to fetch, in words. */
  readonly size: string;
  /** The folders that hold its files, the preferred one first, each with a slash at its end. */
  readonly places: readonly string[];
  readonly files: readonly SourceFile[];
}

const idxFiles = (md5s: readonly [trainImages: string, trainLabels: string, testImages: string, testLabels: string]) =>
  ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'].map((stem, index) => ({
    file: `${stem}-ubyte.gz`,
    checksum: { md5: md5s[index] ?? '' },
  }));

/** Places, and the checksums that the datasets' publishers give. */
export const DATASET_SOURCES: Readonly<Record<FetchedDataset, DatasetSource>> = {
  mnist: {
    about: '10 digits, 28 x 28, grey; 60,000 and 10,000 images',
    size: '11 MB',
    places: ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
    files: idxFiles([
      'f68b3c2dcbeaaa9fbdd348bbdeb94873',
      'd53e105ee54ea40749a09fcbcd1e9432',
      '9fb629c4189551a2d022fa330f9573f3',
      'ec29112dd5afa0611ce80d1b7f02629c',
    ]),
  },
  'fashion-mnist': {
    about: '10 kinds of clothes, 28 x 28, grey; 60,000 and 10,000 images',
    size: '30 MB',
    places: ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/'],
    files: idxFiles([
      '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
      '25c81989df183df01b3e8a0aad5dffbe',
      'bef4ecab320f06d8554ea6380940ec79',
      'bb300cfdad3c16e7a12a480ee83cd310',
    ]),
  },
  cifar10: {
    about: '10 kinds of animals and vehicles, 32 x 32, colour; 50,000 and 10,000 images',
    size: '162 MB',
    places: ['https://www.cs.toronto.edu/~kriz/'],
    files: [
      {
        file: 'cifar-10-binary.tar.gz',
        checksum: { sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd' },
      },
    ],
  },
  cifar100: {
    about: '100 kinds of things in 20 superclasses, 32 x 32, colour; 50,000 and 10,000 images',
    size: '161 MB',
    places: ['https://www.cs.toronto.edu/~kriz/'],
    files: [
      {
        file: 'cifar-100-binary.tar.gz',
        checksum: { sha256: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec' },
      },
    ],
  },
};

/** How {@link fetchDataset} goes about it. */
export interface FetchOptions extends Pick<DownloadOptions, 'signal'> {
  /** Where to put it; its folder of {@link dataFolder} unless told. */
  readonly folder?: string | undefined;
  /** Called as files come in. */
  readonly onProgress?: ((file: string, done: number, total: number | undefined) => void) | undefined;
}

/**
 * Fetches a dataset's files into a folder, whole and with the right checksums, as {@link download} does; those that are there already are
 * checked. One process at a time fetches into a folder.
 *
 * @returns the folder
 * @throws what {@link download} throws, ArgumentError where the folder cannot be made, and LockedError where another process is at it
 */
export async function fetchDataset(
  name: string,
  { places, files }: Pick<DatasetSource, 'places' | 'files'>,
  { folder = join(dataFolder(), name), signal, onProgress }: FetchOptions = {},
): Promise<string> {
  await makeFolder(folder);
  let lock: FolderLock | undefined;
  try {
    for (const { file, checksum } of files) {
      const path = join(folder, file);
      if (await isWhole(path, checksum)) continue;
      lock ??= await lockFolder(folder);
      const urls = places.map((place) => `${place}${file}`);
      await download({ urls, checksum }, path, {
        signal,
        onProgress: (done, total) => onProgress?.(file, done, total),
      });
    }
  } finally {
    await lock?.release();
  }
  return folder;
}
