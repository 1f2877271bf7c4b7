/**
 * The safetensors file layout (huggingface/safetensors, "Format"): the header's length as a little-endian u64, a JSON
 * header that maps names to dtype, shape and byte range, then the tensors' bytes, row-major and little-endian, without
 * gaps. Hosts are taken to be little-endian, as all that run WebGPU are.
 */
import { ArgumentError, FormatError } from '../engine/errors.js';
import { fromBfloat16, fromFloat16 } from '../engine/float16.js';
import { shown } from './pytorch/value.js';

/** The typed array that holds a dtype's elements; F16 and BF16 as bit patterns (see `float16.ts`), BOOL as 0 and 1. */
export interface SafetensorsArrays {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  I32: Int32Array;
  I16: Int16Array;
  I8: Int8Array;
  U64: BigUint64Array;
  U32: Uint32Array;
  U16: Uint16Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

/** Element types that are read and written. */
export type SafetensorsDType = keyof SafetensorsArrays;

/** One tensor: its elements row-major, with the typed array that its dtype calls for. */
export type SafetensorsTensor = {
  [D in SafetensorsDType]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: SafetensorsArrays[D];
  };
}[SafetensorsDType];

/** What a safetensors file holds. */
export interface SafetensorsFile {
  readonly tensors: Readonly<Record<string, SafetensorsTensor>>;
  /** The header's `__metadata__`: free text by free keys. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The longest header that readers of the format accept, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

interface ArrayType<T> {
  new (buffer: ArrayBuffer): T;
  readonly BYTES_PER_ELEMENT: number;
}

const ARRAYS: { readonly [D in SafetensorsDType]: ArrayType<SafetensorsArrays[D]> } = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

const METADATA = '__metadata__';

/** The most axes of a tensor that is read: as many as PyTorch takes. */
const MAX_AXES = 64;

function isDType(dtype: unknown): dtype is SafetensorsDType {
  return typeof dtype === 'string' && Object.hasOwn(ARRAYS, dtype);
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isShape(shape: unknown): shape is number[] {
  return Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/**
 * The bytes of a safetensors file. The tensors with the widest elements come first, then by name, so that each is
 * aligned and equal contents give equal bytes.
 *
 * @throws ArgumentError naming the tensor, for a typed array that is not its dtype's, or that does not fill its shape
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, SafetensorsTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(tensors);
  for (const [name, tensor] of entries) checkTensor(name, tensor);
  const width = ({ dtype }: SafetensorsTensor): number => ARRAYS[dtype].BYTES_PER_ELEMENT;
  entries.sort(([nameA, a], [nameB, b]) => width(b) - width(a) || (nameA < nameB ? -1 : 1));

  let end = 0;
  const records = entries.map(([name, { dtype, shape, data }]) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const described = Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : [];
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...described, ...records])));
  const header = Math.ceil(text.length / 8) * 8;
  if (header > MAX_HEADER_BYTES) {
    throw new ArgumentError(`safetensors: the header takes ${header} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  }

  const bytes = new Uint8Array(8 + header + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header), true);
  bytes.fill(0x20, 8, 8 + header);
  bytes.set(text, 8);
  let at = 8 + header;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

function checkTensor(name: string, { dtype, shape, data }: SafetensorsTensor): void {
  const where = `safetensors: tensor '${name}'`;
  if (name === METADATA) throw new ArgumentError(`${where}: the name is reserved; give metadata on its own`);
  if (!isDType(dtype)) {
    throw new ArgumentError(`${where}: unknown dtype ${String(dtype)}; there are ${Object.keys(ARRAYS).join(', ')}`);
  }
  if (!isShape(shape)) throw new ArgumentError(`${where}: shape [${String(shape)}] is not of integers from 0 up`);
  if (!(data instanceof ARRAYS[dtype])) {
    throw new ArgumentError(
      `${where}: dtype ${dtype} comes in a ${ARRAYS[dtype].name}, not in a ${data.constructor.name}`,
    );
  }
  if (data.length !== count(shape)) {
    throw new ArgumentError(
      `${where}: ${data.length} elements do not fill shape [${shape.join(', ')}] (${count(shape)})`,
    );
  }
  const other = dtype === 'BOOL' ? data.findIndex((value) => value > 1) : -1;
  if (other >= 0)
    throw new ArgumentError(`${where}: element ${other} of a BOOL tensor is ${data[other]}; expected 0 or 1`);
}

/** A parsed header and what error messages need to point into it. */
interface Header {
  readonly file: string;
  readonly text: string;
  readonly entries: readonly (readonly [name: string, value: unknown])[];
  /** Where each top-level key begins in `text`. */
  readonly positions: ReadonlyMap<string, number>;
  /** Where the tensors' bytes begin in the file, and how many there are. */
  readonly start: number;
  readonly available: number;
}

interface TensorRecord {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads the bytes of a safetensors file; `file` names it in errors. The tensors are copies.
 *
 * @throws FormatError naming the file and the byte (and the tensor where it is one's), for a file that is cut short or
 * of another format, a header that is no JSON or has a key twice, an unknown dtype, a shape that does not fit its byte
 * range, and byte ranges that overlap, leave gaps or leave the file
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): SafetensorsFile {
  const header = readHeader(bytes, file);
  let metadata: Record<string, string> = {};
  const records: TensorRecord[] = [];
  for (const [name, value] of header.entries) {
    if (name === METADATA) metadata = readMetadata(header, value);
    else records.push(readRecord(header, name, value));
  }
  checkRanges(header, records);
  const tensors = records.map((record) => [record.name, readTensor(header, bytes, record)] as const);
  return { tensors: Object.fromEntries(tensors), metadata };
}

function readHeader(bytes: Uint8Array, file: string): Header {
  if (bytes.length < 8) {
    throw new FormatError(
      `${file}: ends at byte ${bytes.length}, within the 8 bytes of a safetensors file's header length`,
    );
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new FormatError(
      `${file}: is no safetensors file: its first 8 bytes, the header's length, say ${length}; at most ${MAX_HEADER_BYTES} are allowed`,
    );
  }
  const start = 8 + Number(length);
  if (start > bytes.length) {
    throw new FormatError(
      `${file}: ends at byte ${bytes.length}, within its header, which goes from byte 8 to ${start}`,
    );
  }
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, start));
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${file}: the header, bytes 8 to ${start}, is not valid JSON (${shown(reason)})`, { cause });
  }
  if (typeof value !== 'object' || value === null || !text.startsWith('{')) {
    throw new FormatError(`${file}: byte 8, where the header begins, is not '{'`);
  }
  const positions = keyPositions(text, (key, position) => {
    throw new FormatError(`${file}: the header has the key '${shown(key)}' twice (byte ${byteAt(text, position)})`);
  });
  return { file, text, entries: Object.entries(value), positions, start, available: bytes.length - start };
}

/**
 * Where each key of a JSON object begins. `text` is valid JSON; `JSON.parse` alone would hide a key given twice, at any
 * depth.
 */
function keyPositions(text: string, onDuplicate: (key: string, position: number) => void): Map<string, number> {
  const top = new Map<string, number>();
  const open: Map<string, number>[] = [];
  const tokens = /["{}[\]:]/g;
  let last = { begin: 0, end: 0 };
  for (let found = tokens.exec(text); found; found = tokens.exec(text)) {
    const [token] = found;
    if (token === '{' || token === '[') open.push(open.length === 0 ? top : new Map<string, number>());
    else if (token === '}' || token === ']') open.pop();
    else if (token === '"') {
      last = { begin: found.index, end: stringEnd(text, found.index) };
      tokens.lastIndex = last.end;
    } else {
      const key = String(JSON.parse(text.slice(last.begin, last.end)));
      if (open.at(-1)?.has(key)) onDuplicate(key, last.begin);
      open.at(-1)?.set(key, last.begin);
    }
  }
  return top;
}

/** Where the string that begins at `begin` ends. A pattern for it would take a stack as deep as the string is long. */
function stringEnd(text: string, begin: number): number {
  for (let quote = text.indexOf('"', begin + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let first = quote;
    while (text[first - 1] === '\\') first--;
    if ((quote - first) % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** The byte of the file at which a character of the header stands. */
function byteAt(text: string, position: number): number {
  return 8 + new TextEncoder().encode(text.slice(0, position)).length;
}

function broken(header: Header, name: string, problem: string): FormatError {
  const byte = byteAt(header.text, header.positions.get(name) ?? 0);
  return new FormatError(`${header.file}: '${shown(name)}' (header, byte ${byte}): ${problem}`);
}

/** A value of the header in a few words, however large it is. */
function described(value: unknown): string {
  if (typeof value === 'string') return `"${shown(value)}"`;
  if (Array.isArray(value)) {
    const isShort = value.length <= 8 && value.every((part) => typeof part === 'number');
    return isShort ? `[${value.join(', ')}]` : `(a list of ${value.length})`;
  }
  return typeof value === 'object' && value !== null ? '(an object)' : String(value);
}

function readMetadata(header: Header, value: unknown): Record<string, string> {
  const entries =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (!entries) throw broken(header, METADATA, 'is not an object of strings');
  const strings = entries.map(([key, text]): [string, string] => {
    if (typeof text !== 'string') throw broken(header, METADATA, `the value of '${shown(key)}' is not a string`);
    return [key, text];
  });
  return Object.fromEntries(strings);
}

function readRecord(header: Header, name: string, value: unknown): TensorRecord {
  if (typeof value !== 'object' || value === null)
    throw broken(header, name, 'is not an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (!isDType(dtype)) {
    const known = Object.keys(ARRAYS).join(', ');
    throw broken(header, name, `has the dtype ${described(dtype)}; those understood are ${known}`);
  }
  if (!isShape(shape) || shape.length > MAX_AXES) {
    throw broken(header, name, `has the shape ${described(shape)}; expected integers from 0 up, ${MAX_AXES} at most`);
  }
  if (!isShape(offsets) || offsets.length !== 2) {
    throw broken(header, name, `has the data_offsets ${described(offsets)}; expected [begin, end]`);
  }
  const [begin = 0, end = 0] = offsets;
  if (begin > end || end > header.available) {
    const limits = `0 <= begin <= end <= ${header.available}, the bytes that the file has behind its header`;
    throw broken(header, name, `has the data_offsets [${begin}, ${end}]; expected ${limits}`);
  }
  const size = count(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (end - begin !== size) {
    throw broken(
      header,
      name,
      `${dtype} [${shape.join(', ')}] takes ${size} bytes, but its data_offsets [${begin}, ${end}] hold ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** Every byte behind the header belongs to exactly one tensor. */
function checkRanges(header: Header, records: readonly TensorRecord[]): void {
  let covered = 0;
  let before = 'the header';
  for (const { name, begin, end } of [...records].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      const problem = begin < covered ? 'overlaps' : `leaves a gap of ${begin - covered} bytes after`;
      const at = `byte ${header.start + Math.min(begin, covered)}`;
      throw broken(header, name, `${problem} ${before} at ${at}: it begins at offset ${begin}; expected ${covered}`);
    }
    covered = end;
    before = `'${shown(name)}'`;
  }
  if (covered !== header.available) {
    const [end, length] = [header.start + covered, header.start + header.available];
    throw new FormatError(`${header.file}: the last tensor ends at byte ${end}, but the file at byte ${length}`);
  }
}

function readTensor(
  header: Header,
  bytes: Uint8Array,
  { name, dtype, shape, begin, end }: TensorRecord,
): SafetensorsTensor {
  // A Node Buffer has a slice of its own, which copies nothing.
  const own = Uint8Array.prototype.slice.call(bytes, header.start + begin, header.start + end);
  const other = dtype === 'BOOL' ? own.findIndex((value) => value > 1) : -1;
  if (other >= 0) {
    const byte = header.start + begin + other;
    throw broken(header, name, `byte ${byte} of the file is ${own[other]}; a BOOL is 0 or 1`);
  }
  // The table pairs each dtype with its array, which the type of an indexed access does not express.
  return { dtype, shape, data: new ARRAYS[dtype](own.buffer) } as SafetensorsTensor;
}

/**
 * The elements of a float tensor (F64, F32, F16, BF16) as float32, rounded where they have to be.
 * @throws ArgumentError for another dtype
 */
export function floatsOf({ dtype, data }: SafetensorsTensor): Float32Array {
  switch (dtype) {
    case 'F32':
      return data;
    case 'F64':
      return Float32Array.from(data);
    case 'F16':
      return fromFloat16(data);
    case 'BF16':
      return fromBfloat16(data);
    default:
      throw new ArgumentError(`safetensors: a tensor of dtype ${dtype} does not hold floats`);
  }
}
