import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArgumentError, FormatError } from '../../engine/errors.js';
import { unpackDriver } from '../../node/embedded-driver.js';
import { tar, type TarEntry } from '../support/tar.js';

const DRIVER: readonly TarEntry[] = [
  { path: './libvulkan.so.1', bytes: 'a loader' },
  { path: './libvk_swiftshader.so', bytes: 'a driver'.repeat(100) },
  { path: './vk_swiftshader_icd.json', bytes: '{}' },
];

describe('unpackDriver', () => {
  let folder: string;
  let archive: string;
  let cache: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bulwark-archive-'));
    archive = join(folder, 'driver.tar.br');
    cache = join(folder, 'deep', 'cache');
    await writeFile(archive, brotliCompressSync(tar(DRIVER)));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('unpacks once, whoever asks at the same time, and leaves nothing unfinished', async () => {
    const [driver, ...others] = await Promise.all([1, 2, 3].map(() => unpackDriver(archive, cache)));
    expect(others).toEqual([driver, driver]);
    expect(await readFile(driver?.icd ?? '', 'utf8')).toBe('{}');
    expect(await readdir(cache)).toHaveLength(1);
    const before = await stat(driver?.loader ?? '');
    await unpackDriver(archive, cache);
    expect((await stat(driver?.loader ?? '')).ino).toBe(before.ino);
  });

  it('replaces an unpacked folder that lacks a file', async () => {
    const { loader } = await unpackDriver(archive, cache);
    await rm(loader);
    await unpackDriver(archive, cache);
    expect(await readFile(loader, 'utf8')).toBe('a loader');
  });

  it('refuses an archive that is cut short or lacks the driver, and leaves the cache alone', async () => {
    const packed = await readFile(archive);
    await writeFile(archive, packed.subarray(0, packed.length / 2));
    await expect(unpackDriver(archive, cache)).rejects.toThrow(FormatError);
    await expect(unpackDriver(archive, cache)).rejects.toThrow(/driver\.tar\.br: damaged or cut short after \d+ bytes/);
    await writeFile(archive, brotliCompressSync(tar(DRIVER.slice(1))));
    await expect(unpackDriver(archive, cache)).rejects.toThrow(/holds no libvulkan\.so\.1/);
    await expect(readdir(cache)).rejects.toThrow(/ENOENT/);
  });

  it('says which variable to set where the cache cannot be written to', async () => {
    await writeFile(join(folder, 'file'), '');
    const attempt = unpackDriver(archive, join(folder, 'file', 'cache'));
    await expect(attempt).rejects.toThrow(ArgumentError);
    await expect(attempt).rejects.toThrow(/cannot be unpacked into .*ENOTDIR.*\nset XDG_CACHE_HOME/);
  });
});
