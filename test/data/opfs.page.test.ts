import { afterEach, describe, expect, it, vi } from 'vitest';
import { ArgumentError, StorageError } from '../../engine/errors.js';
import { listOPFS, loadFromOPFS, removeFromOPFS, saveToOPFS } from '../../data/opfs.js';

afterEach(async () => {
  vi.restoreAllMocks();
  for (const { path } of await listOPFS('here')) await removeFromOPFS(path);
});

const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(values);

async function contents(path: string): Promise<number[]> {
  return [...new Uint8Array(await (await loadFromOPFS(path)).arrayBuffer())];
}

/** The reason of the error that a promise ends with. */
async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof StorageError)) throw new Error(`not a StorageError: ${String(error)}`);
  return error.reason;
}

describe('the origin private file system', () => {
  it('keeps bytes and blobs, and replaces them', async () => {
    await saveToOPFS('here/one.bin', bytes(1, 2, 3, 4));
    expect(await contents('here/one.bin')).toEqual([1, 2, 3, 4]);
    await saveToOPFS('here/one.bin', new Blob([bytes(5)]));
    expect(await contents('here/one.bin')).toEqual([5]);
    await saveToOPFS('here/empty.bin', bytes());
    expect(await contents('here/empty.bin')).toEqual([]);
  });

  it('lists the files of a folder, and those alone', async () => {
    await saveToOPFS('here/b.bin', bytes(1, 2));
    await saveToOPFS('here/a.bin', bytes(1));
    await saveToOPFS('here/inner/c.bin', bytes(1));
    const listed = await listOPFS('here');
    expect(listed.map(({ path, bytes: size }) => [path, size])).toEqual([
      ['here/a.bin', 1],
      ['here/b.bin', 2],
    ]);
    expect(Math.abs(Date.now() - (listed[0]?.modified.getTime() ?? 0))).toBeLessThan(60_000);
    expect(await listOPFS('nowhere/at/all')).toEqual([]);
  });

  it('says that there is no such file, and removes what is not there', async () => {
    expect(await reasonOf(loadFromOPFS('here/none.bin'))).toBe('missing');
    expect(await reasonOf(loadFromOPFS('nowhere/none.bin'))).toBe('missing');
    await removeFromOPFS('here/none.bin');
  });

  it.each(['', 'a//b', '../a', 'a/..', 'a.part', 'a/'])('refuses the path "%s"', async (path) => {
    await expect(saveToOPFS(path, bytes(1))).rejects.toThrow(ArgumentError);
    await expect(loadFromOPFS(path)).rejects.toThrow(/names no file/);
  });

  it('keeps the file that was there where there is no space for the new one', async () => {
    await saveToOPFS('here/one.bin', bytes(1, 2));
    vi.spyOn(FileSystemWritableFileStream.prototype, 'close').mockRejectedValue(
      new DOMException('no space', 'QuotaExceededError'),
    );
    expect(await reasonOf(saveToOPFS('here/one.bin', bytes(9)))).toBe('full');
    vi.restoreAllMocks();
    expect(await contents('here/one.bin')).toEqual([1, 2]);
    expect((await listOPFS('here')).map(({ path }) => path)).toEqual(['here/one.bin']);
  });

  it('replaces the file itself where nothing can be moved', async () => {
    const { prototype } = FileSystemFileHandle;
    const move = Object.getOwnPropertyDescriptor(prototype, 'move');
    Reflect.deleteProperty(prototype, 'move');
    try {
      await saveToOPFS('here/one.bin', bytes(1, 2));
      await saveToOPFS('here/one.bin', bytes(3));
    } finally {
      if (move) Object.defineProperty(prototype, 'move', move);
    }
    expect(move).toBeDefined();
    expect(await contents('here/one.bin')).toEqual([3]);
  });

  it('says that a page may not keep files', async () => {
    vi.spyOn(navigator.storage, 'getDirectory').mockRejectedValue(new DOMException('no', 'SecurityError'));
    expect(await reasonOf(saveToOPFS('here/one.bin', bytes(1)))).toBe('unavailable');
    vi.restoreAllMocks();
  });
});
