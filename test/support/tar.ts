import { joined, latin1, utf8 } from './bytes.js';

/** One entry of an archive to be written. */
export interface TarEntry {
  readonly path: string;
  readonly bytes: string | Uint8Array;
  readonly type?: string;
}

/** A ustar header of one file: name, mode, owner, size, time, checksum, type, as POSIX.1-1988 lays them out. */
function header({ path, type = '0' }: TarEntry, size: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(512);
  const write = (text: string, at: number): void => block.set(latin1(text), at);
  write(path, 0);
  write('0000644\0', 100);
  write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  write(' '.repeat(8), 148);
  write(type, 156);
  write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A tar archive, written from the description of the format. */
export function tar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const files = entries.flatMap((entry) => {
    const bytes = typeof entry.bytes === 'string' ? utf8(entry.bytes) : entry.bytes;
    return [header(entry, bytes.length), bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)];
  });
  return joined([...files, new Uint8Array(1024)]);
}
