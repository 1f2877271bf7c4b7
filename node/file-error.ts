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

/** The same for reasons that no other path on the same disk helps against. */
const DISK_REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room and go on: what was there before is as it was',
  EDQUOT: 'your quota of the disk is used up; make room and go on: what was there before is as it was',
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
  const text = DISK_REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new BulwarkError(`cannot ${action} ${path}: ${text}`, { cause });
}
