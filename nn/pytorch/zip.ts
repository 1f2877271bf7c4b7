/**
 * Reading of zip archives (PKWARE, "APPNOTE.TXT", version 6.3.9), as far as PyTorch's files need it: one disk, stored or deflated,
 * with or without the zip64 extension, not encrypted. What the central directory says holds; every member is checked by its CRC.
 */
import { FormatError } from '../../engine/errors.js';
import type { Budget } from './budget.js';
import { crc32 } from './crc32.js';
import { shown } from './value.js';

/** A member of an archive. */
export interface ZipMember {
  readonly bytes: Uint8Array;
  /** Where its bytes begin in the archive, as they are there: deflated or not. */
  readonly at: number;
}

const LOCAL = { signature: 0x04034b50, size: 30 };
const CENTRAL = { signature: 0x02014b50, size: 46 };
const END = { signature: 0x06054b50, size: 22 };
const END64 = { signature: 0x06064b50, size: 56 };
const LOCATOR64 = { signature: 0x07064b50, size: 20 };

/** The longest comment that may follow the end record. */
const MAX_COMMENT = 0xffff;
/** In a 32-bit or 16-bit field: the value is in the zip64 extension. */
const [IN_ZIP64, IN_ZIP64_SHORT] = [0xffffffff, 0xffff];
const ZIP64_EXTRA = 1;
const [STORED, DEFLATED] = [0, 8];
const ENCRYPTED = 1;

/** The bytes of an archive, read with bounds; `name` is the file's, for errors. */
class Archive {
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** That `size` bytes of a `what` are there. */
  require(at: number, size: number, what: string): void {
    if (at >= 0 && at + size <= this.bytes.length) return;
    throw new FormatError(
      `${this.name}: ends at byte ${this.bytes.length}, but ${what} goes from byte ${at} to ${at + size}`,
    );
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** A 64-bit size or offset; what no file reaches becomes imprecise, and is refused where it is used. */
  u64(at: number): number {
    return this.u32(at) + 2 ** 32 * this.u32(at + 4);
  }

  signed(at: number, { signature, size }: { signature: number; size: number }, what: string): void {
    this.require(at, size, what);
    if (this.u32(at) !== signature) throw new FormatError(`${this.name}: byte ${at} does not begin ${what}`);
  }
}

interface Directory {
  readonly entries: number;
  readonly begin: number;
  readonly end: number;
}

/** A member as the central directory describes it. */
interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  readonly header: number;
}

/**
 * The members of a zip archive by name, unpacked; stored ones are views of `bytes`. `file` names it in errors.
 *
 * @throws FormatError naming the file, the byte and the member, for an archive that is cut short, damaged, of several disks or
 * encrypted, packed by a method other than deflate, with a name twice, or that would unpack to more than the budget
 */
export async function readZip(bytes: Uint8Array, file: string, budget: Budget): Promise<Map<string, ZipMember>> {
  const archive = new Archive(bytes, file);
  const members = new Map<string, ZipMember>();
  for (const entry of entriesOf(archive, directoryOf(archive))) {
    if (members.has(entry.name)) throw new FormatError(`${file}: holds the ${memberNamed(entry.name)} twice`);
    budget.spend(entry.size, memberNamed(entry.name));
    members.set(entry.name, await unpack(archive, entry));
  }
  return members;
}

function memberNamed(name: string): string {
  return `member '${shown(name)}'`;
}

/** Where the central directory is: in the zip64 record where there is one, which PyTorch always writes. */
function directoryOf(archive: Archive): Directory {
  const end = endRecord(archive);
  const locator = end - LOCATOR64.size;
  const isWide = locator >= 0 && archive.u32(locator) === LOCATOR64.signature;
  const record = isWide ? archive.u64(locator + 8) : end;
  if (isWide) archive.signed(record, END64, 'the end record of a zip64 directory');
  const disks = isWide
    ? [archive.u32(record + 16), archive.u32(record + 20)]
    : [archive.u16(end + 4), archive.u16(end + 6)];
  if (disks.some((disk) => disk !== 0)) {
    throw new FormatError(`${archive.name}: byte ${record}: is a part of an archive of several disks`);
  }
  const [entries, size, begin] = isWide
    ? [archive.u64(record + 32), archive.u64(record + 40), archive.u64(record + 48)]
    : [archive.u16(end + 10), archive.u32(end + 12), archive.u32(end + 16)];
  archive.require(begin, size, 'the directory of the archive');
  if (begin + size > record) {
    throw new FormatError(
      `${archive.name}: the directory of the archive goes to byte ${begin + size}, over its end record at byte ${record}`,
    );
  }
  return { entries, begin, end: begin + size };
}

/** Where the end record begins: the last place that fits it and the length of its comment. */
function endRecord(archive: Archive): number {
  const { length } = archive.bytes;
  const last = length - END.size;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
    if (archive.u32(at) === END.signature && at + END.size + archive.u16(at + 20) === length) return at;
  }
  throw new FormatError(
    `${archive.name}: is cut short or damaged: no end record of a zip archive up to byte ${length}, the last`,
  );
}

function entriesOf(archive: Archive, { entries, begin, end }: Directory): Entry[] {
  const found: Entry[] = [];
  let at = begin;
  while (at < end) {
    const what = `entry ${found.length} of the directory`;
    archive.signed(at, CENTRAL, what);
    const [nameSize, extraSize, commentSize] = [archive.u16(at + 28), archive.u16(at + 30), archive.u16(at + 32)];
    const next = at + CENTRAL.size + nameSize + extraSize + commentSize;
    if (next > end)
      throw new FormatError(`${archive.name}: byte ${at}: ${what} goes to byte ${next}; the directory ends at ${end}`);
    found.push(entryAt(archive, at));
    at = next;
  }
  if (found.length !== entries) {
    throw new FormatError(
      `${archive.name}: the directory from byte ${begin} to ${end} has ${found.length} entries; its end record says ${entries}`,
    );
  }
  return found;
}

function entryAt(archive: Archive, at: number): Entry {
  const nameAt = at + CENTRAL.size;
  const extraAt = nameAt + archive.u16(at + 28);
  const name = new TextDecoder().decode(archive.bytes.subarray(nameAt, extraAt));
  if ((archive.u16(at + 8) & ENCRYPTED) !== 0)
    throw new FormatError(`${archive.name}: byte ${at}: ${memberNamed(name)} is encrypted`);
  const wide = wideFields(archive, extraAt, extraAt + archive.u16(at + 30));
  const field = (place: number): number => {
    const value = archive.u32(place);
    if (value !== IN_ZIP64) return value;
    const found = wide.shift();
    if (found === undefined)
      throw new FormatError(`${archive.name}: byte ${at}: ${memberNamed(name)} lacks its zip64 sizes`);
    return found;
  };
  // In the order in which the extension has those of them that it has.
  const size = field(at + 24);
  const packedSize = field(at + 20);
  const header = field(at + 42);
  const disk = archive.u16(at + 34);
  if (disk !== 0 && disk !== IN_ZIP64_SHORT) {
    throw new FormatError(`${archive.name}: byte ${at}: ${memberNamed(name)} is on another disk`);
  }
  return { name, method: archive.u16(at + 10), crc: archive.u32(at + 16), packedSize, size, header };
}

/** The 64-bit fields of the zip64 extension among an entry's extra fields; none where there is none. */
function wideFields(archive: Archive, begin: number, end: number): number[] {
  for (let at = begin; at + 4 <= end; at += 4 + archive.u16(at + 2)) {
    if (archive.u16(at) !== ZIP64_EXTRA) continue;
    const count = Math.floor(Math.min(archive.u16(at + 2), end - at - 4) / 8);
    return Array.from({ length: count }, (_, index) => archive.u64(at + 4 + 8 * index));
  }
  return [];
}

async function unpack(archive: Archive, entry: Entry): Promise<ZipMember> {
  const { name, method, crc, packedSize, size, header } = entry;
  const what = memberNamed(name);
  archive.signed(header, LOCAL, what);
  const at = header + LOCAL.size + archive.u16(header + 26) + archive.u16(header + 28);
  archive.require(at, packedSize, what);
  const packed = archive.bytes.subarray(at, at + packedSize);
  const where = `${archive.name}: ${what}, bytes ${at} to ${at + packedSize},`;
  if (method !== STORED && method !== DEFLATED) {
    throw new FormatError(
      `${where} is packed by method ${method}; those understood are ${STORED} (stored) and ${DEFLATED} (deflated)`,
    );
  }
  const bytes = method === STORED ? packed : await inflate(packed, size, where);
  if (bytes.length !== size)
    throw new FormatError(`${where} unpacks to ${bytes.length} bytes; the directory says ${size}`);
  if (crc32(bytes) !== crc)
    throw new FormatError(`${where} is damaged: its checksum is not the one that the directory says`);
  return { bytes, at };
}

/** Inflates raw deflate (RFC 1951), and stops where it comes to more than `size` bytes. */
async function inflate(packed: Uint8Array, size: number, where: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let length = 0;
  try {
    // A copy: a Blob takes no views of shared memory.
    const stream = new Blob([new Uint8Array(packed)]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    const reader = stream.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (length + value.length > size) {
        await reader.cancel();
        throw new FormatError(`${where} unpacks to more than the ${size} bytes that the directory says`);
      }
      bytes.set(value, length);
      length += value.length;
    }
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError(`${where} is cut short or damaged: it does not inflate`, { cause });
  }
  return bytes.subarray(0, length);
}
