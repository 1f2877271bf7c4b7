/** Files that are packed with gzip (RFC 1952). */
import { FormatError } from '../engine/errors.js';

/** A file that was read already: its bytes, and the name that error messages give it. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Whether the bytes begin as a gzip stream does (1f 8b). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The contents of a gzip file.
 * @throws FormatError where it is cut short or damaged
 */
export async function gunzip({ name, bytes }: NamedBytes): Promise<NamedBytes> {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return { name, bytes: new Uint8Array(await new Response(stream).arrayBuffer()) };
  } catch (cause) {
    throw new FormatError(`${name}: the gzip stream of ${bytes.length} bytes is cut short or damaged; fetch it again`, {
      cause,
    });
  }
}
