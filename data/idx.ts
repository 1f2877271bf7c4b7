/**
 * The IDX format of MNIST (Yann LeCun's database page, "THE IDX FILE FORMAT"): two zero bytes, a byte for the element
 * type, a byte for the number of axes, each axis as a big-endian u32, then the elements, row-major and big-endian.
 */
import { FormatError } from '../engine/errors.js';
import { gunzip, isGzip, type NamedBytes } from './gzip.js';

/** The contents of an IDX file. */
export interface IdxArray {
  readonly type: IdxType;
  /** Sizes of the axes, outermost first. */
  readonly shape: readonly number[];
  /** The elements, row-major, in the byte order of this machine. */
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

/** Element types of IDX files. */
export type IdxType = 'u8' | 'i8' | 'i16' | 'i32' | 'f32' | 'f64';

const TYPES: ReadonlyMap<number, { type: IdxType; bytes: number }> = new Map([
  [0x08, { type: 'u8', bytes: 1 }],
  [0x09, { type: 'i8', bytes: 1 }],
  [0x0b, { type: 'i16', bytes: 2 }],
  [0x0c, { type: 'i32', bytes: 4 }],
  [0x0d, { type: 'f32', bytes: 4 }],
  [0x0e, { type: 'f64', bytes: 8 }],
]);

/**
 * Parses an IDX file, gzipped or not.
 * @throws FormatError as {@link parseIdx} and {@link gunzip} do
 */
export async function readIdx(file: NamedBytes): Promise<IdxArray> {
  return parseIdx(isGzip(file.bytes) ? await gunzip(file) : file);
}

/**
 * Parses the bytes of an IDX file.
 * @throws FormatError naming the file and the byte, for a foreign magic number, an unknown element type, and a header
 * or data that are too short or too long
 */
export function parseIdx({ name, bytes }: NamedBytes): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) {
    throw new FormatError(`${name}: ends at byte ${bytes.length}, within the 4-byte magic number of an IDX file`);
  }
  if (view.getUint16(0) !== 0) {
    const found = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new FormatError(`${name}: is no IDX file; it begins with the bytes ${found}, an IDX file with 00 00`);
  }
  const code = view.getUint8(2);
  const element = TYPES.get(code);
  if (!element) {
    throw new FormatError(
      `${name}: byte 2, the element type, is 0x${code.toString(16).padStart(2, '0')}; expected 0x08, 0x09 or 0x0b to 0x0e`,
    );
  }
  const rank = view.getUint8(3);
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    throw new FormatError(`${name}: ends at byte ${bytes.length}, within its header of ${rank} axes (${start} bytes)`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const count = shape.reduce((product, size) => product * size, 1);
  const end = start + count * element.bytes;
  if (bytes.length !== end) {
    const more = bytes.length - end;
    const what = more < 0 ? 'is cut short' : `has ${more} ${more === 1 ? 'byte' : 'bytes'} too many`;
    throw new FormatError(
      `${name}: ${what}: it ends at byte ${bytes.length}; its header [${shape.join(', ')}] of ${element.type} says ${end}`,
    );
  }
  return { type: element.type, shape, data: elements(element.type, view, start, count) };
}

function elements(type: IdxType, view: DataView<ArrayBuffer>, start: number, count: number): IdxArray['data'] {
  switch (type) {
    case 'u8':
      return new Uint8Array(view.buffer, view.byteOffset + start, count);
    case 'i8':
      return new Int8Array(view.buffer, view.byteOffset + start, count);
    case 'i16':
      return Int16Array.from({ length: count }, (_, i) => view.getInt16(start + 2 * i));
    case 'i32':
      return Int32Array.from({ length: count }, (_, i) => view.getInt32(start + 4 * i));
    case 'f32':
      return Float32Array.from({ length: count }, (_, i) => view.getFloat32(start + 4 * i));
    case 'f64':
      return Float64Array.from({ length: count }, (_, i) => view.getFloat64(start + 8 * i));
    default:
      return type satisfies never;
  }
}
