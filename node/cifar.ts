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
  return cifar10(await readFiles('cifar10', split, CIFAR10, place), `cifar10 (${split})`);
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
  const files = await readFiles('cifar100', split, CIFAR100, place);
  return cifar100(files, { name: `cifar100 (${split})`, labels });
}

type Kind = typeof CIFAR10 | typeof CIFAR100;

async function readFiles(dataset: string, split: Split, kind: Kind, named?: string): Promise<NamedBytes[]> {
  const holds = (folder: string): boolean => filesIn(folder, split, kind) !== undefined;
  const place = folderOf(dataset, { named, holds });
  const names: readonly string[] = kind.files[split];
  const found = filesIn(place, split, kind);
  if (!found) throw new ArgumentError(`${place}: holds neither ${names.join(', ')} nor ${kind.archive}`);
  return 'archive' in found ? filesOfTar(await readNamed(found.archive), names) : readAll(found.files);
}

/** Where a half's files are in a place: an archive, or files of which the first is there; undefined where there are none. */
function filesIn(
  place: string,
  split: Split,
  { archive, inner, files }: Kind,
): { readonly archive: string } | { readonly files: readonly string[] } | undefined {
  if (isFile(place)) return { archive: place };
  const names: readonly string[] = files[split];
  const [first = ''] = names;
  const folder = [place, join(place, inner)].find((each) => existsSync(join(each, first)));
  if (folder !== undefined) return { files: names.map((name) => join(folder, name)) };
  // Unpacked without its gzip, as some programs do.
  const packed = [archive, archive.replace('.gz', '')].map((name) => join(place, name)).find(isFile);
  return packed === undefined ? undefined : { archive: packed };
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
