import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArgumentError, BulwarkError, FormatError } from '../../engine/errors.js';
import { DATASET_SOURCES, fetchDataset } from '../../node/dataset-sources.js';
import { download, type DownloadOptions } from '../../node/download.js';
import { LOCK_FILE, LockedError } from '../../node/lock.js';
import { serveFile, type FileServer } from '../support/file-server.js';

const FILE = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const FILE_BYTES = Buffer.from(FILE);
const hashOf = (kind: string, bytes = FILE): string => createHash(kind).update(bytes).digest('hex');
const checksum = { sha256: hashOf('sha256') };

let folder: string;
let path: string;
let server: FileServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-download-'));
  path = join(folder, 'file.gz');
  server = await serveFile(FILE);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const fetchIt = (options?: DownloadOptions): Promise<void> =>
  download({ urls: [`${server.url}file.gz`], checksum }, path, options);

/** Breaks the connection to the first server off, once something has come of it. */
function breakOff(done: number): void {
  if (done > 0) server.breakOff();
}

/** The file is there and nothing else. */
async function expectWhole(): Promise<void> {
  expect(await readdir(folder)).toEqual(['file.gz']);
  expect(FILE_BYTES.equals(await readFile(path))).toBe(true);
}

describe('download', () => {
  it('fetches a file, telling how far it is, and does not fetch it again', async () => {
    const seen: [done: number, total: number | undefined][] = [];
    await fetchIt({ onProgress: (...progress) => seen.push(progress) });
    await expectWhole();
    expect(seen[0]).toEqual([0, FILE.length]);
    expect(seen.at(-1)).toEqual([FILE.length, FILE.length]);
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b));
    await fetchIt();
    expect(server.ranges).toEqual(['']);
  });

  it('knows a file by either checksum, and replaces one that is not it', async () => {
    await writeFile(path, 'something else');
    await download({ urls: [server.url], checksum: { md5: hashOf('md5') } }, path);
    await expectWhole();
  });

  it('goes on where it broke off', async () => {
    server.serving.stopAfter = 100_000;
    const broken = fetchIt({ onProgress: breakOff });
    await expect(broken).rejects.toThrow(BulwarkError);
    await expect(broken).rejects.toThrow(/file.gz: broke off after \d+ of 300000 bytes .*fetch it again, to go on/);
    expect(await readdir(folder)).toEqual(['file.gz.part']);
    const part = await readFile(`${path}.part`);
    expect(part.length).toBeGreaterThan(0);
    expect(FILE_BYTES.subarray(0, part.length).equals(part)).toBe(true);
    server.serving.stopAfter = undefined;
    const seen: number[] = [];
    await fetchIt({ onProgress: (done) => seen.push(done) });
    expect(server.ranges).toEqual(['', `bytes=${part.length}-`]);
    expect(seen[0]).toBe(part.length);
    expect(seen.at(-1)).toBe(FILE.length);
    await expectWhole();
  });

  it('starts over where the server knows no ranges', async () => {
    await writeFile(`${path}.part`, FILE.subarray(0, 1000));
    server.serving.ranges = false;
    await fetchIt();
    await expectWhole();
    expect(server.ranges).toEqual(['bytes=1000-']);
  });

  it('takes a part that is the whole file already', async () => {
    await writeFile(`${path}.part`, FILE);
    await fetchIt();
    await expectWhole();
  });

  it('starts over where the beginning was of another file, or longer than the file', async () => {
    for (const part of [Uint8Array.of(9, 9, 9), new Uint8Array(FILE.length + 5)]) {
      await writeFile(`${path}.part`, part);
      server.ranges.length = 0;
      await fetchIt();
      await expectWhole();
      expect(server.ranges).toEqual([`bytes=${part.length}-`, '']);
      await rm(path);
    }
  });

  it('does not put together parts that do not follow each other', async () => {
    await writeFile(`${path}.part`, FILE.subarray(0, 1000));
    server.serving.claimedStart = 900;
    await expect(fetchIt()).rejects.toThrow(/sent another part of the file than that from byte 1000 on/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('removes a file with a wrong checksum, and says so', async () => {
    server.serving.bytes = FILE.slice(1);
    for (const noLength of [false, true]) {
      server.serving.noLength = noLength;
      await expect(fetchIt()).rejects.toThrow(FormatError);
      await expect(fetchIt()).rejects.toThrow(
        `file.gz has the sha256 ${hashOf('sha256', FILE.slice(1))}, not ${checksum.sha256}; it was removed`,
      );
      expect(await readdir(folder)).toEqual([]);
    }
  });

  it('says what the server answers, and that there is none', async () => {
    server.serving.status = 404;
    await expect(fetchIt()).rejects.toThrow(
      new BulwarkError(`${server.url}file.gz: the server answers 404 Not Found`).message,
    );
    const { url } = server;
    await server.close();
    await expect(fetchIt()).rejects.toThrow(`${url}file.gz: cannot be reached (connect ECONNREFUSED`);
    await expect(download({ urls: [], checksum }, path)).rejects.toThrow(/there is no place to fetch it from/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('tries its places in turn, and goes on with what the first one gave', async () => {
    const other = await serveFile(FILE);
    try {
      server.serving.stopAfter = 50_000;
      await download({ urls: [server.url, other.url], checksum }, path, { onProgress: breakOff });
      await expectWhole();
      expect(other.ranges[0]).toMatch(/^bytes=\d+-$/);
      await rm(path);
      server.serving.status = 500;
      other.serving.status = 403;
      await expect(download({ urls: [server.url, other.url], checksum }, path)).rejects.toThrow(
        /the server answers 500 .*\n.*the server answers 403 Forbidden/,
      );
    } finally {
      await other.close();
    }
  });

  it('takes no file that the server packs or unpacks on the way, but one of another place', async () => {
    server.serving.encoding = 'gzip';
    await expect(fetchIt()).rejects.toThrow(
      `${server.url}file.gz: the server sends the file as content-encoding gzip, which changes its bytes`,
    );
    const other = await serveFile(FILE);
    try {
      await download({ urls: [server.url, other.url], checksum }, path);
      await expectWhole();
    } finally {
      await other.close();
    }
  });

  it('says that the disk is full, and leaves nothing on it', async () => {
    // Linux's device that is always full.
    await symlink('/dev/full', `${path}.part`);
    const attempt = fetchIt();
    await expect(attempt).rejects.toThrow(BulwarkError);
    await expect(attempt).rejects.toThrow(/^cannot write .*file.gz.part: the disk is full; make room and go on/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('says where it may not write', async () => {
    const attempt = download({ urls: [server.url], checksum }, join(folder, 'none', 'file'));
    await expect(attempt).rejects.toThrow(ArgumentError);
    await expect(attempt).rejects.toThrow(/^cannot write .*file.part: there is no such file or folder/);
    await mkdir(path);
    await expect(fetchIt()).rejects.toThrow(/it is a folder, not a file/);
  });

  it('stops when it is asked to, and goes on later', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const stopped = fetchIt({
      signal: stop.signal,
      onProgress: (done) => {
        if (done > 0) stop.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    expect(await readdir(folder)).toEqual(['file.gz.part']);
    await fetchIt();
    await expectWhole();
  });
});

describe('fetchDataset', () => {
  it('fetches every file of a dataset into a folder that it makes', async () => {
    const files = ['a.gz', 'b.gz'].map((file) => ({ file, checksum }));
    const place = join(folder, 'deep', 'set');
    const seen = new Set<string>();
    const options = { folder: place, onProgress: (file: string) => seen.add(file) };
    expect(await fetchDataset('set', { places: [server.url], files }, options)).toBe(place);
    expect((await readdir(place)).sort()).toEqual(['a.gz', 'b.gz']);
    expect([...seen]).toEqual(['a.gz', 'b.gz']);
    await writeFile(join(folder, 'file'), '');
    await expect(
      fetchDataset('set', { places: [server.url], files }, { folder: join(folder, 'file', 'set') }),
    ).rejects.toThrow(/^cannot make the folder .*: a part of the path is a file/);
  });

  it('lets nobody else fetch into the same folder meanwhile, but checks what is there', async () => {
    const source = { places: [server.url], files: [{ file: 'a.gz', checksum }] };
    const place = join(folder, 'set');
    server.serving.stopAfter = 1000;
    const stop = new AbortController();
    const second = new Promise((resolve) => {
      const onProgress = (_: string, done: number): void => {
        if (done > 0) resolve(fetchDataset('set', source, { folder: place }).catch((error: unknown) => error));
      };
      void fetchDataset('set', source, { folder: place, signal: stop.signal, onProgress }).catch(() => undefined);
    });
    expect(await second).toBeInstanceOf(LockedError);
    stop.abort();
    await vi.waitFor(async () => expect(await readdir(place)).toEqual(['a.gz.part']));
    server.serving.stopAfter = undefined;
    await fetchDataset('set', source, { folder: place });
    expect(await readdir(place)).toEqual(['a.gz']);
    await writeFile(join(place, LOCK_FILE), JSON.stringify({ pid: process.pid, host: hostname() }));
    await fetchDataset('set', source, { folder: place });
  });

  it('knows each file of its own datasets by a checksum', () => {
    for (const { files, places } of Object.values(DATASET_SOURCES)) {
      expect(places.every((place) => place.endsWith('/'))).toBe(true);
      for (const { file, checksum: known } of files) {
        expect(file).toMatch(/\.gz$/);
        expect('md5' in known ? known.md5 : known.sha256).toMatch('md5' in known ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{64}$/);
      }
    }
  });
});
