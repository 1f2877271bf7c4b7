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
 * The contents of a gzip file; `most` is how many bytes they may have, since a small file can unpack to any number.
 * @throws FormatError where it is cut short or damaged, or unpacks to more
 */
export async function gunzip({ name, bytes }: NamedBytes, most = Infinity): Promise<NamedBytes> {
  let count = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform: (chunk, controller) => {
      count += chunk.length;
      if (count > most) controller.error(new RangeError('too much'));
      else controller.enqueue(chunk);
    },
  });
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).pipeThrough(counted);
    return { name, bytes: new Uint8Array(await new Response(stream).arrayBuffer()) };
  } catch (cause) {
    const reason =
      count > most
        ? `unpacks to more than the ${most} bytes that are taken`
        : `the gzip stream of ${bytes.length} bytes is cut short or damaged, after ${count} unpacked ones; fetch it again`;
    throw new FormatError(`${name}: ${reason}`, { cause });
  }
}
