import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArgumentError, FormatError } from '../../engine/errors.js';
import { loadCifar10, loadCifar100 } from '../../node/cifar.js';
import { loadFashionMnist } from '../../node/mnist.js';
import { cifarRecords } from '../support/cifar.js';
import { tar } from '../support/tar.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-cifar-'));
  vi.stubEnv('BULWARK_DATA', join(folder, 'data'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const batches = [1, 2, 3, 4, 5].map((n) => ({
  path: `cifar-10-batches-bin/data_batch_${n}.bin`,
  bytes: cifarRecords([[n]]),
}));
const archive10 = tar([
  { path: 'cifar-10-batches-bin/readme.html', bytes: '<html>' },
  ...batches,
  { path: 'cifar-10-batches-bin/test_batch.bin', bytes: cifarRecords([[7], [8]]) },
]);
const archive100 = tar([
  { path: 'cifar-100-binary/train.bin', bytes: cifarRecords([[3, 42]]) },
  { path: 'cifar-100-binary/test.bin', bytes: cifarRecords([[4, 43]]) },
]);

const labelsOf = async (split: 'train' | 'test', place?: string) => [...(await loadCifar10(split, place)).labels];

describe('loadCifar10', () => {
  it('finds the files in a folder, in the archive, and in the folder of the archive', async () => {
    const places = { files: join(folder, 'files'), packed: join(folder, 'packed'), plain: join(folder, 'plain') };
    const inner = join(folder, 'outer', 'cifar-10-batches-bin');
    for (const place of [...Object.values(places), inner]) await mkdir(place, { recursive: true });
    for (const place of [places.files, inner]) {
      for (const { path, bytes } of batches) await writeFile(join(place, path.split('/')[1] ?? ''), bytes);
    }
    await writeFile(join(places.packed, 'cifar-10-binary.tar.gz'), gzipSync(archive10));
    await writeFile(join(places.plain, 'cifar-10-binary.tar'), archive10);
    const archive = join(places.packed, 'cifar-10-binary.tar.gz');
    for (const place of [places.files, join(folder, 'outer'), places.packed, places.plain, archive]) {
      expect(await labelsOf('train', place)).toEqual([1, 2, 3, 4, 5]);
    }
    expect(await labelsOf('test', archive)).toEqual([7, 8]);
    expect((await loadCifar10('test', archive)).name).toBe('cifar10 (test)');
  });

  it('looks in the folder of fetched data where none is named', async () => {
    await expect(loadCifar10('train')).rejects.toThrow(ArgumentError);
    await expect(loadCifar10('train')).rejects.toThrow(
      /^cifar10: no data found; run 'bulwark data get cifar10', or name a folder that holds its files/,
    );
    await mkdir(join(folder, 'data', 'cifar10'), { recursive: true });
    await expect(loadCifar10('train')).rejects.toThrow(
      /^cifar10: .*data\/cifar10 does not hold all of its files; run 'bulwark data get cifar10', or/,
    );
    await writeFile(join(folder, 'data', 'cifar10', 'cifar-10-binary.tar.gz'), gzipSync(archive10));
    expect(await labelsOf('test')).toEqual([7, 8]);
  });

  it('says what is missing or broken', async () => {
    await expect(loadCifar10('train', folder)).rejects.toThrow(
      /holds neither data_batch_1.bin, .*, data_batch_5.bin nor cifar-10-binary.tar.gz$/,
    );
    await writeFile(join(folder, 'data_batch_1.bin'), batches[0]?.bytes ?? '');
    await expect(loadCifar10('train', folder)).rejects.toThrow(/cannot read .*data_batch_2.bin: there is no such file/);
    const archive = join(folder, 'cifar-10-binary.tar.gz');
    await writeFile(archive, gzipSync(archive10).subarray(0, 300));
    await expect(loadCifar10('test', folder)).rejects.toThrow(FormatError);
    await expect(loadCifar10('test', folder)).rejects.toThrow(/tar.gz: the gzip stream of 300 bytes is cut short/);
    await writeFile(archive, archive100);
    await expect(loadCifar10('test', archive)).rejects.toThrow(
      /holds no test_batch.bin, but cifar-100-binary\/train.bin,/,
    );
  });
});

describe('loadCifar100', () => {
  it('reads either kind of label', async () => {
    const archive = join(folder, 'cifar-100-binary.tar.gz');
    await writeFile(archive, gzipSync(archive100));
    expect(await loadCifar100('train', folder)).toMatchObject({ classes: 100, labels: Int32Array.of(42) });
    const coarse = await loadCifar100('test', archive, { labels: 'coarse' });
    expect(coarse).toMatchObject({ name: 'cifar100 (test)', classes: 20, labels: Int32Array.of(4) });
    expect(coarse.classNames?.[4]).toBe('fruit_and_vegetables');
  });
});

describe('loadFashionMnist', () => {
  it('reads the four files under their own class names', async () => {
    const place = join(folder, 'data', 'fashion-mnist');
    await mkdir(place, { recursive: true });
    const header = (kind: number, ...sizes: number[]) => [0, 0, 8, kind, ...sizes.flatMap((size) => [0, 0, 0, size])];
    const images = Uint8Array.from([...header(3, 1, 28, 28), ...Array<number>(784).fill(5)]);
    await writeFile(join(place, 't10k-images-idx3-ubyte.gz'), gzipSync(images));
    await writeFile(join(place, 't10k-labels-idx1-ubyte.gz'), gzipSync(Uint8Array.from([...header(1, 1), 9])));
    const dataset = await loadFashionMnist('test');
    expect(dataset).toMatchObject({ name: 'fashion-mnist (test)', shape: [1, 1, 28, 28] });
    expect(dataset.classNames?.[dataset.labels[0] ?? 0]).toBe('Ankle boot');
  });
});
