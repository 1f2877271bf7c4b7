import { BulwarkError } from '../engine/errors.js';
import type { NamedBytes } from './gzip.js';

/**
 * Reads files that a user chose or dropped, all at once, in their order: `cifar10(await namedBytes(input.files))`. A `FileList` is iterable.
 *
 * @throws BulwarkError naming the file that cannot be read, such as one that was changed or deleted meanwhile
 */
export function namedBytes(files: Iterable<File>): Promise<NamedBytes[]> {
  return Promise.all([...files].map(bytesOfFile));
}

/** A file's bytes, under its name. */
export async function bytesOfFile(file: File): Promise<NamedBytes> {
  try {
    return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
  } catch (cause) {
    throw new BulwarkError(`${file.name}: cannot be read: ${String(cause)}`, { cause });
  }
}
