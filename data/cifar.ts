/**
 * The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009): records of one
 * size, one after the other; each is its label (CIFAR-100: the coarse one, then the fine one), then 1024 bytes each of red, green
 * and blue, row by row.
 */
import { FormatError } from '../engine/errors.js';
import { CIFAR100_CLASSES, CIFAR100_SUPERCLASSES, CIFAR10_CLASSES } from './cifar-classes.js';
import { Dataset } from './dataset.js';
import type { NamedBytes } from './gzip.js';

/** The files of CIFAR-10's halves, in the order of their examples. */
export const CIFAR10_FILES = {
  train: ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin'],
  test: ['test_batch.bin'],
} as const;

/** The files of CIFAR-100's halves. */
export const CIFAR100_FILES = { train: ['train.bin'], test: ['test.bin'] } as const;

/** Which labels of CIFAR-100: of 100 classes, or of the 20 superclasses that hold five of them each. */
export type Cifar100Labels = 'fine' | 'coarse';

const SHAPE = [3, 32, 32];
const PIXELS = 3 * 32 * 32;

/**
 * CIFAR-10 of its binary files, one after the other: images [n, 3, 32, 32], 10 classes.
 * @throws FormatError naming the file and the byte, where a file ends within a record, holds fewer records than another one, or a label is
 * no class
 */
export function cifar10(files: readonly NamedBytes[], name = 'cifar10'): Dataset {
  return readRecords(files, name, { labels: [CIFAR10_CLASSES], use: 0 });
}

/**
 * CIFAR-100 of its binary files, one after the other: images [n, 3, 32, 32]; 100 classes, or 20 where `labels` is 'coarse'.
 * @throws FormatError naming the file and the byte, where a file ends within a record or a label is no class
 */
export function cifar100(
  files: readonly NamedBytes[],
  { name = 'cifar100', labels = 'fine' }: { readonly name?: string; readonly labels?: Cifar100Labels } = {},
): Dataset {
  const use = labels === 'fine' ? 1 : 0;
  return readRecords(files, name, { labels: [CIFAR100_SUPERCLASSES, CIFAR100_CLASSES], use });
}

interface RecordFormat {
  /** The classes that each of a record's label bytes numbers. */
  readonly labels: readonly (readonly string[])[];
  /** The label byte that is asked for. */
  readonly use: 0 | 1;
}

function readRecords(files: readonly NamedBytes[], name: string, { labels: kinds, use }: RecordFormat): Dataset {
  const record = kinds.length + PIXELS;
  const counts = files.map((file) => recordsIn(file, record));
  const most = Math.max(0, ...counts);
  const short = counts.findIndex((each) => each < most);
  if (short >= 0) {
    throw new FormatError(
      `${files[short]?.name}: ends at byte ${files[short]?.bytes.length}, after ${counts[short]} records; ` +
        `${files[counts.indexOf(most)]?.name} holds ${most}, and all of them hold as many`,
    );
  }
  const count = most * files.length;
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  let example = 0;
  for (const file of files) {
    for (let at = 0; at < file.bytes.length; at += record) {
      kinds.forEach(({ length }, index) => checkLabel(file, at + index, length));
      labels[example] = file.bytes[at + use] ?? 0;
      images.set(file.bytes.subarray(at + kinds.length, at + record), example * PIXELS);
      example++;
    }
  }
  const classNames = kinds[use] ?? [];
  return new Dataset({ name, images, labels, shape: [count, ...SHAPE], classes: classNames.length, classNames });
}

function recordsIn({ name, bytes }: NamedBytes, record: number): number {
  const count = bytes.length / record;
  if (Number.isInteger(count) && count > 0) return count;
  throw new FormatError(
    `${name}: ends at byte ${bytes.length}, within record ${Math.floor(count)}; it should hold whole records of ${record} bytes`,
  );
}

function checkLabel({ name, bytes }: NamedBytes, at: number, classes: number): void {
  const label = bytes[at] ?? 0;
  if (label < classes) return;
  throw new FormatError(
    `${name}: byte ${at}, a label, is ${label}; with ${classes} classes labels are 0 .. ${classes - 1}`,
  );
}
