/** Reading of tar archives: regular files of the ustar format (POSIX.1-1988), with the long names of pax (POSIX.1-2001) and of GNU tar. */
import { FormatError } from '../engine/errors.js';
import { gunzip, isGzip, type NamedBytes } from './gzip.js';

/** One regular file of an archive. */
export interface ArchiveFile {
  /** The path as the archive has it: check it before it becomes a path on disk. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const BLOCK = 512;

/** Where ustar keeps a header's fields: first byte and length. */
const FIELD = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  type: [156, 1],
  prefix: [345, 155],
} as const;

/**
 * The regular files of a tar archive; folders, links and everything else are passed over.
 *
 * @param bytes the archive, not compressed
 * @param name what errors call the archive
 * @throws FormatError, with the byte, where a header is broken or the archive ends before it should
 */
export function readTar(bytes: Uint8Array<ArrayBuffer>, name: string): ArchiveFile[] {
  const files: ArchiveFile[] = [];
  let at = 0;
  let longPath: string | undefined;
  for (;;) {
    const header = bytes.subarray(at, at + BLOCK);
    if (header.length < BLOCK)
      throw new FormatError(`${name}: ends at byte ${bytes.length}, where a tar header should be`);
    if (header.every((byte) => byte === 0)) return files;
    checkHeader(header, at, name);
    const size = octal(header, FIELD.size);
    const start = at + BLOCK;
    if (start + size > bytes.length) {
      throw new FormatError(
        `${name}: ends at byte ${bytes.length}, inside a file that reaches to byte ${start + size}`,
      );
    }
    const type = text(header, FIELD.type);
    const contents = bytes.subarray(start, start + size);
    if (type === 'L') longPath = text(contents, [0, size]);
    else if (type === 'x') longPath = paxPath(contents) ?? longPath;
    else if (type !== 'g' && type !== 'K') {
      if (type === '0' || type === '') files.push({ path: longPath ?? pathIn(header), bytes: contents });
      longPath = undefined;
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/**
 * Files of a tar archive, gzipped or not, in the order of `names`: each is the one of that name in whatever folder of the archive. They
 * share the unpacked archive's memory, and are called `<archive>: <path>`.
 *
 * @throws FormatError where the archive is damaged or holds no such file
 */
export async function filesOfTar(archive: NamedBytes, names: readonly string[]): Promise<NamedBytes[]> {
  const { bytes } = isGzip(archive.bytes) ? await gunzip(archive) : archive;
  const files = readTar(bytes, archive.name);
  return names.map((name) => {
    const found = files.find(({ path }) => path === name || path.endsWith(`/${name}`));
    if (!found) {
      const held = files.length === 0 ? 'no file at all' : files.map(({ path }) => path).join(', ');
      throw new FormatError(`${archive.name}: holds no ${name}, but ${held}`);
    }
    return { name: `${archive.name}: ${found.path}`, bytes: found.bytes };
  });
}

function pathIn(header: Uint8Array): string {
  const [prefix, path] = [text(header, FIELD.prefix), text(header, FIELD.name)];
  return prefix === '' ? path : `${prefix}/${path}`;
}

/** The path in the records of an extended header, each `<its length> <key>=<value>\n`; undefined where they hold none. */
function paxPath(records: Uint8Array): string | undefined {
  let path: string | undefined;
  for (let at = 0; at < records.length;) {
    const length = Number.parseInt(text(records, [at, 12]), 10);
    if (!(length > 0)) return path;
    const [, key, value] = /^\d+ ([^=]*)=(.*)\n$/s.exec(text(records, [at, length])) ?? [];
    if (key === 'path') path = value;
    at += length;
  }
  return path;
}

type Field = readonly [start: number, length: number];

/** The sum of a header's bytes guards it; the sum's own field counts as spaces. */
function checkHeader(header: Uint8Array, at: number, name: string): void {
  const [start, length] = FIELD.checksum;
  let sum = 0;
  header.forEach((byte, index) => {
    sum += index >= start && index < start + length ? 0x20 : byte;
  });
  if (sum !== octal(header, FIELD.checksum) || !Number.isSafeInteger(octal(header, FIELD.size))) {
    throw new FormatError(`${name}: no tar header at byte ${at}; the archive is damaged or is not a tar archive`);
  }
}

function text(header: Uint8Array, [start, length]: Field): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** An octal number, or NaN where the field holds none. */
function octal(header: Uint8Array, field: Field): number {
  const digits = text(header, field).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : NaN;
}
