/**
 * Files in the browser's origin private file system (WHATWG, "File System", 2023), of pages and of workers. A file is there as it was saved
 * last, or not at all: it is written under another name first.
 */
import { ArgumentError, StorageError } from '../engine/errors.js';

/** A file that is kept. */
export interface StoredFile {
  /** From the root, such as `models/robust.safetensors`. */
  readonly path: string;
  readonly bytes: number;
  readonly modified: Date;
}

/** What files are called while they are written. */
const PART = '.part';

/** Chromium and Safari have it, the types of TypeScript do not yet. */
interface Movable {
  move: (name: string) => Promise<void>;
}

/**
 * Saves bytes under a path such as `models/robust.safetensors`; folders are made, and a file that was there is replaced once all is written.
 *
 * @throws ArgumentError for a path that names no file; StorageError where there is no such file system or no space
 */
export async function saveToOPFS(path: string, bytes: Uint8Array<ArrayBuffer> | Blob): Promise<void> {
  const { folders, name } = partsOf(path);
  await explained(path, async () => {
    const folder = await folderAt(folders, true);
    const begun = await folder.getFileHandle(name + PART, { create: true });
    try {
      if (isMovable(begun)) {
        await write(begun, bytes);
        await begun.move(name);
      } else {
        // Where nothing can be moved, a file has its new contents when it is closed.
        await write(await folder.getFileHandle(name, { create: true }), bytes);
        await folder.removeEntry(name + PART);
      }
    } catch (cause) {
      await folder.removeEntry(name + PART).catch(() => undefined);
      throw cause;
    }
  });
}

/**
 * A file that was saved: a `Blob` with a name and a date.
 *
 * @throws ArgumentError for a path that names no file; StorageError where there is none of the path, or no such file system
 */
export async function loadFromOPFS(path: string): Promise<File> {
  const { folders, name } = partsOf(path);
  return explained(path, async () => {
    const folder = await folderAt(folders, false);
    const handle = await folder.getFileHandle(name);
    return handle.getFile();
  });
}

/**
 * The files of a folder, by their names; those of the root unless told. A folder that is not there has none.
 *
 * @throws StorageError where there is no such file system
 */
export async function listOPFS(folder = ''): Promise<StoredFile[]> {
  const folders = folder.split('/').filter((part) => part !== '');
  try {
    return await explained(folder, async () => {
      const files: StoredFile[] = [];
      for await (const [name, handle] of (await folderAt(folders, false)).entries()) {
        if (handle.kind !== 'file' || name.endsWith(PART)) continue;
        const { size, lastModified } = await handle.getFile();
        files.push({ path: [...folders, name].join('/'), bytes: size, modified: new Date(lastModified) });
      }
      return files.sort((a, b) => (a.path < b.path ? -1 : 1));
    });
  } catch (error) {
    if (error instanceof StorageError && error.reason === 'missing') return [];
    throw error;
  }
}

/**
 * Removes a file; one that is not there is no error.
 *
 * @throws ArgumentError for a path that names no file; StorageError where there is no such file system
 */
export async function removeFromOPFS(path: string): Promise<void> {
  const { folders, name } = partsOf(path);
  try {
    await explained(path, async () => (await folderAt(folders, false)).removeEntry(name));
  } catch (error) {
    if (!(error instanceof StorageError && error.reason === 'missing')) throw error;
  }
}

function partsOf(path: string): { folders: string[]; name: string } {
  const folders = path.split('/');
  const name = folders.pop() ?? '';
  if ([...folders, name].some((part) => ['', '.', '..'].includes(part)) || name.endsWith(PART)) {
    throw new ArgumentError(`'${path}' names no file; expected a path such as models/robust.safetensors`);
  }
  return { folders, name };
}

async function folderAt(folders: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle> {
  // Callers in Node.js, in old browsers and in pages that came by plain HTTP have none of these.
  const storage: Partial<StorageManager> | undefined = (globalThis.navigator as Navigator | undefined)?.storage;
  if (!storage?.getDirectory) {
    throw new StorageError(
      'unavailable',
      'there is no origin private file system here: a browser and HTTPS are needed',
    );
  }
  let folder = await storage.getDirectory();
  for (const name of folders) folder = await folder.getDirectoryHandle(name, { create });
  return folder;
}

function isMovable(handle: FileSystemFileHandle): handle is FileSystemFileHandle & Movable {
  return 'move' in handle;
}

async function write(handle: FileSystemFileHandle, bytes: Uint8Array<ArrayBuffer> | Blob): Promise<void> {
  if (!('createWritable' in handle)) {
    await writeInWorker(handle, bytes);
    return;
  }
  const writable = await handle.createWritable();
  try {
    await writable.write(bytes);
    await writable.close();
  } catch (cause) {
    await writable.abort().catch(() => undefined);
    throw cause;
  }
}

/** Workers of Safari before 26 write by a handle that only they have. */
async function writeInWorker(handle: FileSystemFileHandle, bytes: Uint8Array<ArrayBuffer> | Blob): Promise<void> {
  const access = await (handle as FileSystemFileHandle & Partial<SyncAccess>).createSyncAccessHandle?.();
  if (!access) {
    throw new StorageError(
      'unavailable',
      'this browser writes files of its origin private file system in workers only',
    );
  }
  const data = bytes instanceof Blob ? new Uint8Array(await bytes.arrayBuffer()) : bytes;
  try {
    access.truncate(0);
    const written = access.write(data);
    if (written < data.length) throw new DOMException(`${written} of ${data.length} bytes`, 'QuotaExceededError');
    access.flush();
  } finally {
    access.close();
  }
}

/** Of the types of workers, which those of pages lack. */
interface SyncAccess {
  createSyncAccessHandle: () => Promise<{
    truncate: (size: number) => void;
    write: (bytes: Uint8Array<ArrayBuffer>) => number;
    flush: () => void;
    close: () => void;
  }>;
}

/** Runs `work`, and says of its errors what they mean for a file. */
async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
    switch (name) {
      case 'QuotaExceededError':
        throw new StorageError('full', `${path}: the browser has no space for it; remove other files first`, { cause });
      case 'NotFoundError':
        throw new StorageError('missing', `${path}: there is no such file`, { cause });
      case 'SecurityError':
        throw new StorageError('unavailable', `${path}: this page may not keep files, as in some private windows`, {
          cause,
        });
      default:
        throw new StorageError('failed', `${path}: ${message}`, { cause });
    }
  }
}
