/** One entry of an archive to be written. */
export interface TarEntry {
  readonly path: string;
  readonly bytes: string | Uint8Array;
  readonly type?: string;
}

/** A ustar header of one file: name, mode, owner, size, time, checksum, type, as POSIX.1-1988 lays them out. */
function header({ path, type = '0' }: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(path, 0);
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A tar archive, written from the description of the format. */
export function tar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const files = entries.flatMap((entry) => {
    const bytes = Buffer.from(entry.bytes);
    return [header(entry, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return new Uint8Array(Buffer.concat([...files, Buffer.alloc(1024)]));
}
