/** Files and folders of a run, with errors that say what to do. */
import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ArgumentError } from '../engine/errors.js';
import { fileError } from './file-error.js';
import { isLockFile, lockFolder, type FolderLock } from './lock.js';

/** The bytes of a file. Throws as {@link fileError} describes. */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw fileError('read', path, cause);
  }
}

/**
 * Writes a file whole or not at all: into a temporary file of the same folder, flushed to the disk, which then takes
 * the place of what was there. Where anything fails the temporary file is removed and what was there stays. Throws as
 * {@link fileError} describes.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError('write', path, cause);
  }
}

/** The file that marks a folder as a run's. */
export const METRICS_FILE = 'metrics.jsonl';

/**
 * What a run leaves in its folder, and what `force` therefore removes: metrics, reports, checkpoints, unfinished files.
 */
const RUN_FILE = /^(config\.json|metrics\.jsonl|batches\.jsonl|report\.(html|md)|results\.json|[^.].*\.safetensors)$/;

/** What a process that was killed may leave: files that were not yet under their names. */
const UNFINISHED_FILE = /^\..*\.[0-9a-f]{8}\.tmp$/;

/** Whether a file is one that a process that was killed may have left, and that says nothing. */
export function isLeftover(name: string): boolean {
  return isLockFile(name) || UNFINISHED_FILE.test(name);
}

/**
 * Makes the folder of a new run, with the folders above it, and locks it. An empty folder is taken as it is.
 *
 * @param options.force replace the run that the folder holds: its files are removed, others stay
 * @throws ArgumentError where the folder holds a run (without `force`) or anything else, is a file, or cannot be
 * written to; LockedError where another process writes into it
 */
export async function createRunFolder(
  path: string,
  options: { readonly force?: boolean | undefined } = {},
): Promise<FolderLock> {
  const folder = resolve(path);
  let lock: FolderLock | undefined;
  try {
    await makeFolders(folder);
    await access(folder, constants.W_OK | constants.X_OK);
    lock = await lockFolder(folder);
    const names = await readdir(folder);
    const others = names.filter((name) => !isLeftover(name));
    if (others.length > 0 && !others.includes(METRICS_FILE)) {
      throw new ArgumentError(`${path} is not empty and holds no run; name a new or an empty folder`);
    }
    if (others.length > 0 && !options.force) {
      throw new ArgumentError(
        `${path} holds a run already (${METRICS_FILE}); name another folder, or replace it with --force`,
      );
    }
    const own = names.filter((name) => RUN_FILE.test(name) || UNFINISHED_FILE.test(name));
    for (const name of own) await rm(join(folder, name), { force: true });
    return lock;
  } catch (cause) {
    await lock?.release();
    if (await isFile(folder)) throw new ArgumentError(`${path} is a file; name a folder for the run`, { cause });
    throw fileError('make the run folder', path, cause);
  }
}

/**
 * Locks the folder of a run that is to go on, and removes what was left unfinished in it.
 *
 * @throws LockedError where another process writes into it; ArgumentError or BulwarkError where it cannot be written to
 */
export async function reopenRunFolder(path: string): Promise<FolderLock> {
  const lock = await lockFolder(path);
  try {
    const unfinished = (await readdir(path)).filter((name) => UNFINISHED_FILE.test(name));
    for (const name of unfinished) await rm(join(path, name), { force: true });
    return lock;
  } catch (cause) {
    await lock.release();
    throw fileError('take up the run in', path, cause);
  }
}

/** Makes a folder and those above it, where they are not there. Throws as {@link fileError} describes. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(path);
  } catch (cause) {
    throw fileError('make the folder', path, cause);
  }
}

/** Node's own recursive `mkdir` never returns where a file system such as /proc refuses. Throws what the file system does. */
async function makeFolders(path: string): Promise<void> {
  if (await exists(path)) return;
  const parent = dirname(path);
  if (!(await exists(parent))) await makeFolders(parent);
  await mkdir(path).catch((cause: unknown) => {
    // Another process may have made it just now.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
  });
}

/** Whether there is a file or a folder of this name. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}
