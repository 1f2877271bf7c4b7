/** Files of datasets that are cut short or changed at every byte: each is a FormatError that names its file, or a sound dataset. */
import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { cifar10, cifar100 } from '../../data/cifar.js';
import { Dataset } from '../../data/dataset.js';
import { mnist } from '../../data/mnist.js';
import { filesOfTar } from '../../data/tar.js';
import { FormatError } from '../../engine/errors.js';
import { cifarRecords } from '../support/cifar.js';
import { tar } from '../support/tar.js';

type Bytes = Uint8Array<ArrayBuffer>;
type Read = (bytes: Bytes) => Dataset | Promise<Dataset>;

const NAME = 'the-file';

const images = Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28, ...Array<number>(784).fill(3)]);
const labels = Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 1, 7]);
const batch = cifarRecords([[9]]);
const archive = tar([{ path: 'cifar-10-batches-bin/test_batch.bin', bytes: batch }]);
const gzip = (bytes: Bytes): Bytes => new Uint8Array(gzipSync(bytes));
const readImages: Read = (bytes) => mnist({ images: { name: NAME, bytes }, labels: { name: 'labels', bytes: labels } });
const readArchive: Read = async (bytes) => cifar10(await filesOfTar({ name: NAME, bytes }, ['test_batch.bin']));

const CASES: readonly (readonly [what: string, bytes: Bytes, read: Read])[] = [
  ['images of MNIST', images, readImages],
  ['packed images of MNIST', gzip(images), readImages],
  [
    'labels of MNIST',
    labels,
    (bytes) => mnist({ images: { name: 'images', bytes: images }, labels: { name: NAME, bytes } }),
  ],
  ['a batch of CIFAR-10', batch, (bytes) => cifar10([{ name: NAME, bytes }])],
  ['a batch of CIFAR-100', cifarRecords([[19, 99]]), (bytes) => cifar100([{ name: NAME, bytes }])],
  ['an archive', archive, readArchive],
  // Zeros, so that it is short.
  ['a packed archive', gzip(tar([{ path: 'test_batch.bin', bytes: new Uint8Array(3073) }])), readArchive],
];

/** Whether the bytes are still a dataset; whatever else comes of them fails the test. */
async function isDataset(read: Read, bytes: Bytes): Promise<boolean> {
  try {
    const dataset = await read(bytes);
    if (!(dataset instanceof Dataset)) throw new TypeError('no dataset');
    return true;
  } catch (error) {
    if (error instanceof FormatError && error.message.includes(NAME)) return false;
    throw error;
  }
}

describe.each(CASES)('%s', (what, bytes, read) => {
  it('is read whole', async () => {
    expect(await isDataset(read, bytes)).toBe(true);
  });

  it('is refused where it is cut short, at every length', async () => {
    for (let length = 0; length < bytes.length; length++) {
      const sound = await isDataset(read, bytes.slice(0, length));
      // Two empty blocks end an archive; the second one says nothing new.
      if (sound) expect([what, length >= bytes.length - 512]).toEqual(['an archive', true]);
    }
  });

  it('is refused, or another dataset, where any byte is changed', async () => {
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [0xff, 0x01]) {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ change;
        if (!(await isDataset(read, changed))) refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });
});
