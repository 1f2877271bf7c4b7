import { randomUUID } from 'node:crypto';
import { link, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BulwarkError } from '../engine/errors.js';
import { fileError } from './file-error.js';

/** The file that says which process writes into a folder. */
export const LOCK_FILE = 'run.lock';

/** Another process writes into a folder. */
export class LockedError extends BulwarkError {}

/** A folder that nobody else writes into until `release`, which may be called twice. */
export interface FolderLock {
  release(): Promise<void>;
}

/** Who holds a lock. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process began, by the clock of its kernel: numbers of processes come again. Null where that cannot be known. */
  readonly began: string | null;
}

/** Attempts to take a lock that was released, or left behind and taken over by another process, in between. */
const ATTEMPTS = 5;

/** What a process makes the lock of first: a file that says in its name whose it is, since it may be killed before it has written. */
const CANDIDATE = /^run\.lock(\.takeover)*\.(?<host>.+)\.(?<pid>\d+)\.[0-9a-f]{8}$/;

/** Whether a file of a folder belongs to its lock: the lock itself, or what a process that was killed while it took one may have left. */
export function isLockFile(name: string): boolean {
  return name === LOCK_FILE || name.startsWith(`${LOCK_FILE}.`);
}

/**
 * Locks a folder for this process. A lock that a process left that has ended is taken over.
 *
 * @throws LockedError naming the process that holds the lock; ArgumentError or BulwarkError where the folder cannot be written to
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, LOCK_FILE);
  const me: Holder = { pid: process.pid, host: hostname(), began: (await statusOf(process.pid)).began };
  try {
    await removeLeftCandidates(folder);
    await take(path, me, folder);
  } catch (cause) {
    throw fileError('lock', folder, cause);
  }
  let isHeld = true;
  const release = async (): Promise<void> => {
    // A second time it may be somebody else's.
    if (isHeld) await rm(path, { force: true });
    isHeld = false;
  };
  return { release };
}

/** Puts a file that names this process in the place of a lock, where none is or one whose holder has ended. */
async function take(path: string, me: Holder, folder: string): Promise<void> {
  const own = `${path}.${me.host}.${me.pid}.${randomUUID().slice(0, 8)}`;
  try {
    await writeFile(own, JSON.stringify(me), { flag: 'wx' });
    for (let attempt = 1; !(await linked(own, path)); attempt++) {
      const text = await contentsOf(path);
      const holder = holderIn(text ?? '');
      if (holder && (attempt === ATTEMPTS || (await isAtWork(holder)))) throw lockedBy(path, folder, holder);
      if (text === undefined) continue;
      // Who takes a lock over holds another one meanwhile, so that what was read stays what is replaced.
      const takeover = `${path}.takeover`;
      await take(takeover, me, folder);
      try {
        if ((await contentsOf(path)) !== text) continue;
        await rename(own, path);
        return;
      } finally {
        await rm(takeover, { force: true });
      }
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** Removes what processes left that were killed while they took the lock: nobody's any more, whoever holds it. */
async function removeLeftCandidates(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const { host, pid } = CANDIDATE.exec(name)?.groups ?? {};
    if (host === undefined || (await isAtWork({ pid: Number(pid), host, began: null }))) continue;
    await rm(join(folder, name), { force: true });
  }
}

/** What a file holds; undefined where there is none any more. */
async function contentsOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw cause;
  }
}

/** Gives a file a second name, all at once; false where that name is taken. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false;
    throw cause;
  }
}

/** Undefined where the text is cut short, as a loss of power may leave it. */
function holderIn(text: string): Holder | undefined {
  try {
    const { pid, host, began } = Object(JSON.parse(text)) as Partial<Record<keyof Holder, unknown>>;
    if (typeof pid !== 'number' || typeof host !== 'string') return undefined;
    return { pid, host, began: typeof began === 'string' ? began : null };
  } catch {
    return undefined;
  }
}

/** Whether the process still runs, as far as can be told: of another machine's processes nothing is known. */
async function isAtWork({ pid, host, began }: Holder): Promise<boolean> {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (cause) {
    // A process of somebody else's may not be asked, but is there.
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
  const { began: now, isOver } = await statusOf(pid);
  if (isOver) return false;
  return began === null || now === null || began === now;
}

/** What Linux tells of a process; elsewhere nothing is known. */
async function statusOf(pid: number): Promise<{
  /** When it began, in ticks since the machine did. */
  readonly began: string | null;
  /** Whether it has ended, and nobody has asked how yet: a zombie. */
  readonly isOver: boolean;
}> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name, in parentheses, may hold anything; the state is field 3, the first after it, and the beginning field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { began: fields[19] ?? null, isOver: fields[0] === 'Z' || fields[0] === 'X' };
}

function lockedBy(path: string, folder: string, { pid, host }: Holder): LockedError {
  const elsewhere = host === hostname() ? '' : ` on ${host} (if that has ended, remove ${path})`;
  return new LockedError(
    `${folder} is being written by process ${pid}${elsewhere}; wait for it, or name another folder`,
  );
}
