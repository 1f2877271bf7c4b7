import type { NamedBytes } from '../../../data/gzip.js';
import { shippedMnist } from '../../shipped-mnist.js';
import { SHIPPED } from './shipped.js';
import { ownData, type Halves } from './own-data.js';

/** Images as a run remembers them. */
export interface ImagesFacts {
  /** How many there are to learn from, and to measure on. */
  readonly train: number;
  readonly test: number;
  /** What tells them from others: a run goes on with the images that it had. */
  readonly digest: string;
}

/** Images in memory. */
export interface Images extends Halves {
  readonly facts: ImagesFacts;
}

/** The images that the page ships. `page` is its address. */
export async function shippedImages(page: string): Promise<Images> {
  const [train, test] = await Promise.all([shippedMnist('train', page), shippedMnist('test', page)]);
  return { train, test, facts: { train: train.size, test: test.size, digest: SHIPPED } };
}

/** Images of IDX files; throws as `ownData` does. */
export async function ownImages(files: readonly NamedBytes[]): Promise<Images> {
  const { train, test } = await ownData(files);
  const sums = await Promise.all(
    [train.images, train.labels, test.images, test.labels].map((values) =>
      crypto.subtle.digest('SHA-256', copyOf(values)),
    ),
  );
  const digest = sums
    .flatMap((sum) => [...new Uint8Array(sum)].map((byte) => byte.toString(16).padStart(2, '0')))
    .join('');
  return { train, test, facts: { train: train.size, test: test.size, digest } };
}

/** What learned from other images is not to go on with these: throws a sentence. */
export function checkSameImages(had: ImagesFacts, { facts }: Images): void {
  if (had.digest === facts.digest) return;
  const count = (value: number): string => value.toLocaleString('en');
  throw new Error(
    `This run learned from ${count(had.train)} images of files of your own, which are not those at hand: bring them first.`,
  );
}

/** What is hashed has to be in a buffer that is not shared. */
function copyOf(values: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
