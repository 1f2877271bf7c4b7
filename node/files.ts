/** Files and folders of a run, with errors that say what to do. */
import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ArgumentError, BulwarkError } from '../engine/errors.js';

/** Why the file system refused, in words, for the reasons that the user can do something about. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder, not a file',
  EEXIST: 'it exists already',
};

/**
 * An error of the file system as one of bulwark's: an ArgumentError where another path would help, a BulwarkError
 * (disk full, and the like) otherwise.
 *
 * @param action what was tried, such as `write`
 */
export function fileError(action: string, path: string, cause: unknown): BulwarkError {
  if (cause instanceof BulwarkError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const reason = REASONS[code];
  if (reason !== undefined) return new ArgumentError(`cannot ${action} ${path}: ${reason}`, { cause });
  const text = cause instanceof Error ? cause.message : String(cause);
  return new BulwarkError(`cannot ${action} ${path}: ${text}`, { cause });
}

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
const RUN_FILE =
  /^(metrics\.jsonl|batches\.jsonl|report\.(html|md)|results\.json|run\.json|[^.].*\.safetensors|\..*\.[0-9a-f]{8}\.tmp)$/;

/**
 * Makes the folder of a new run, with the folders above it. An empty folder is taken as it is.
 *
 * @param options.force replace the run that the folder holds: its files are removed, others stay
 * @returns the folder's absolute path
 * @throws ArgumentError where the folder holds a run (without `force`) or anything else, is a file, or cannot be
 * written to
 */
export async function createRunFolder(
  path: string,
  options: { readonly force?: boolean | undefined } = {},
): Promise<string> {
  const folder = resolve(path);
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK | constants.X_OK);
    const names = await readdir(folder);
    if (names.length === 0) return folder;
    if (!names.includes(METRICS_FILE)) {
      throw new ArgumentError(`${path} is not empty and holds no run; name a new or an empty folder`);
    }
    if (!options.force) {
      throw new ArgumentError(
        `${path} holds a run already (${METRICS_FILE}); name another folder, or replace it with --force`,
      );
    }
    for (const name of names.filter((file) => RUN_FILE.test(file))) await rm(join(folder, name));
    return folder;
  } catch (cause) {
    if (await isFile(folder)) throw new ArgumentError(`${path} is a file; name a folder for the run`, { cause });
    throw fileError('make the run folder', path, cause);
  }
}

/**
 * Makes a folder and those above it, where they are not there. Node's own recursive `mkdir` never returns where a file system such as
 * /proc refuses. Throws what the file system does.
 */
export async function makeFolder(path: string): Promise<void> {
  if (await exists(path)) return;
  const parent = dirname(path);
  if (!(await exists(parent))) await makeFolder(parent);
  await mkdir(path).catch((cause: unknown) => {
    // Another process may have made it just now.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
  });
}

async function exists(path: string): Promise<boolean> {
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
