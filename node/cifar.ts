import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CIFAR100_FILES, CIFAR10_FILES, cifar10, cifar100, type Cifar100Labels } from '../data/cifar.js';
import type { Dataset } from '../data/dataset.js';
import type { NamedBytes } from '../data/gzip.js';
import { filesOfTar } from '../data/tar.js';
import { ArgumentError } from '../engine/errors.js';
import { folderOf, isFile, type Split } from './data-folder.js';
import { readBytes } from './files.js';

/** The archives as their authors name them, and the folder that these hold. */
const CIFAR10 = { archive: 'cifar-10-binary.tar.gz', inner: 'cifar-10-batches-bin', files: CIFAR10_FILES };
const CIFAR100 = { archive: 'cifar-100-binary.tar.gz', inner: 'cifar-100-binary', files: CIFAR100_FILES };

/**
 * Reads CIFAR-10's binary version: 50,000 training or 10,000 test images.
 *
 * @param place a folder that holds the `.bin` files, `cifar-10-batches-bin` with them, or `cifar-10-binary.tar.gz`; or an archive itself.
 * Without it, the folder that `bulwark data get cifar10` fills
 * @throws ArgumentError where there are no such files, saying what to do; FormatError as {@link cifar10} and `filesOfTar` do
 */
export async function loadCifar10(split: Split, place?: string): Promise<Dataset> {
  return cifar10(await readFiles(folderOf('cifar10', place), split, CIFAR10), `cifar10 (${split})`);
}

/**
 * Reads CIFAR-100's binary version: 50,000 training or 10,000 test images. Its places are as those of {@link loadCifar10}.
 *
 * @param options.labels 'coarse' for the 20 superclasses; 'fine' unless told
 * @throws ArgumentError where there are no such files, saying what to do; FormatError as {@link cifar100} and `filesOfTar` do
 */
export async function loadCifar100(
  split: Split,
  place?: string,
  { labels = 'fine' }: { readonly labels?: Cifar100Labels } = {},
): Promise<Dataset> {
  const files = await readFiles(folderOf('cifar100', place), split, CIFAR100);
  return cifar100(files, { name: `cifar100 (${split})`, labels });
}

async function readFiles(
  place: string,
  split: Split,
  { archive, inner, files }: typeof CIFAR10 | typeof CIFAR100,
): Promise<NamedBytes[]> {
  const names: readonly string[] = files[split];
  if (isFile(place)) return filesOfTar(await readNamed(place), names);
  const [first = ''] = names;
  for (const folder of [place, join(place, inner)]) {
    if (existsSync(join(folder, first))) return readAll(names.map((name) => join(folder, name)));
  }
  // Unpacked without its gzip, as some programs do.
  for (const name of [archive, archive.replace('.gz', '')]) {
    if (isFile(join(place, name))) return filesOfTar(await readNamed(join(place, name)), names);
  }
  throw new ArgumentError(`${place}: holds neither ${names.join(', ')} nor ${archive}`);
}

/** One after the other: of several that are missing, the first is named. */
async function readAll(names: readonly string[]): Promise<NamedBytes[]> {
  const files = [];
  for (const name of names) files.push(await readNamed(name));
  return files;
}

async function readNamed(name: string): Promise<NamedBytes> {
  return { name, bytes: await readBytes(name) };
}
