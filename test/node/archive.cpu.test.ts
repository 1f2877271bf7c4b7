import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArgumentError, FormatError } from '../../engine/errors.js';
import { readTar } from '../../node/archive.js';
import { unpackDriver } from '../../node/embedded-driver.js';

interface Entry {
  readonly path: string;
  readonly text: string;
  readonly type?: string;
}

const DRIVER: readonly Entry[] = [
  { path: './libvulkan.so.1', text: 'a loader' },
  { path: './libvk_swiftshader.so', text: 'a driver'.repeat(100) },
  { path: './vk_swiftshader_icd.json', text: '{}' },
];

/** A ustar header of one file: name, mode, owner, size, time, checksum, type, as POSIX.1-1988 lays them out. */
function header({ path, text, type = '0' }: Entry): Buffer {
  const block = Buffer.alloc(512);
  block.write(path, 0);
  block.write('0000644\0', 100);
  block.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function tar(entries: readonly Entry[]): Buffer {
  const files = entries.flatMap((entry) => {
    const padding = (512 - (entry.text.length % 512)) % 512;
    return [header(entry), Buffer.from(entry.text), Buffer.alloc(padding)];
  });
  return Buffer.concat([...files, Buffer.alloc(1024)]);
}

describe('readTar', () => {
  it('gives the regular files and passes over folders and links', () => {
    const bytes = tar([
      { path: 'folder/', text: '', type: '5' },
      { path: 'folder/a.txt', text: 'first' },
      { path: 'link', text: '', type: '2' },
      { path: 'b', text: 'x'.repeat(600) },
    ]);
    const files = readTar(bytes, 'a.tar').map(({ path, bytes: data }) => [path, Buffer.from(data).toString()]);
    expect(files).toEqual([
      ['folder/a.txt', 'first'],
      ['b', 'x'.repeat(600)],
    ]);
  });

  it('names the byte at which an archive ends too soon', () => {
    const bytes = tar([{ path: 'a', text: 'x'.repeat(600) }]);
    expect(() => readTar(bytes.subarray(0, 900), 'a.tar')).toThrow(
      new FormatError('a.tar: ends at byte 900, inside a file that reaches to byte 1112'),
    );
    expect(() => readTar(bytes.subarray(0, 100), 'a.tar')).toThrow(
      new FormatError('a.tar: ends at byte 100, where a tar header should be'),
    );
    expect(() => readTar(bytes.subarray(0, 1536), 'a.tar')).toThrow(/ends at byte 1536, where a tar header should be/);
  });

  it('refuses what is not a tar archive, and a header with a flipped bit', () => {
    expect(() => readTar(Buffer.alloc(1024, 'not an archive '), 'a.tar')).toThrow(/no tar header at byte 0/);
    const bytes = tar(DRIVER);
    bytes[1024 + 125] = 0x37;
    expect(() => readTar(bytes, 'a.tar')).toThrow(/no tar header at byte 1024/);
  });
});

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
