import { FormatError } from '../../engine/errors.js';
import { shown } from './value.js';

/** The longest integer that is taken, in bytes. */
const MAX_INTEGER = 64;

/** The longest name of Python's that is taken, in bytes. */
const MAX_NAME = 4096;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const PROTOCOLS = { least: 2, most: 5 };

/** The bytes of a pickle, read in order with bounds. Everything throws FormatError where they end too early. */
export class PickleBytes {
  readonly #view: DataView;
  readonly #place: (at: number) => string;
  #at: number;

  constructor(
    private readonly bytes: Uint8Array,
    at: number,
    { place }: { readonly place: (at: number) => string },
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
    this.#place = place;
  }

  /** The next byte's number. */
  get at(): number {
    return this.#at;
  }

  /** Goes past `count` bytes; returns where they begin. */
  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.bytes.length) {
      throw new FormatError(
        `${this.#place(at)}: the pickle ends at byte ${this.bytes.length}; ${count} bytes were to come`,
      );
    }
    this.#at += count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** A length; one that no file has becomes imprecise. */
  u64(): number {
    const low = this.u32();
    return low + 2 ** 32 * this.u32();
  }

  /** Of all numbers, only this one is big-endian. */
  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  /** A two's complement integer of `count` bytes, least first. */
  integer(count: number): number | bigint {
    if (count > MAX_INTEGER) {
      throw new FormatError(`${this.#place(this.#at)}: an integer of ${count} bytes; at most ${MAX_INTEGER} are taken`);
    }
    const at = this.#take(count);
    let value = 0n;
    for (let byte = count - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(this.bytes[at + byte] ?? 0);
    const signed = BigInt.asIntN(8 * count, value);
    return signed >= Number.MIN_SAFE_INTEGER && signed <= Number.MAX_SAFE_INTEGER ? Number(signed) : signed;
  }

  /** A text of `count` bytes of UTF-8. */
  text(count: number): string {
    const at = this.#take(count);
    try {
      return UTF8.decode(this.bytes.subarray(at, at + count));
    } catch (cause) {
      throw new FormatError(`${this.#place(at)}: a text of ${count} bytes is not UTF-8`, { cause });
    }
  }

  copied(count: number): Uint8Array {
    const at = this.#take(count);
    return new Uint8Array(this.bytes.subarray(at, at + count));
  }

  /** Up to the end of the line, which is passed over. */
  line(): string {
    const start = this.#at;
    const end = this.bytes.subarray(start, start + MAX_NAME).indexOf(0x0a);
    if (end < 0) throw new FormatError(`${this.#place(start)}: a name does not end within ${MAX_NAME} bytes`);
    const text = this.text(end);
    this.#take(1);
    return text;
  }

  protocol(): void {
    const at = this.#at;
    const version = this.u8();
    if (version >= PROTOCOLS.least && version <= PROTOCOLS.most) return;
    const known = `${PROTOCOLS.least} to ${PROTOCOLS.most}`;
    throw new FormatError(`${this.#place(at)}: the pickle is of protocol ${version}; those understood are ${known}`);
  }

  /** A frame only says that so many bytes follow. */
  frame(): void {
    const at = this.#at;
    const size = this.u64();
    if (this.#at + size > this.bytes.length) {
      throw new FormatError(
        `${this.#place(at)}: a frame of ${shown(String(size))} bytes goes over the end of the pickle`,
      );
    }
  }
}
