import { describe, expect, it } from 'vitest';
import { ArgumentError, FormatError } from '../../engine/errors.js';
import { toBfloat16, toFloat16 } from '../../engine/float16.js';
import {
  MAX_HEADER_BYTES,
  decodeSafetensors,
  encodeSafetensors,
  floatsOf,
  type SafetensorsTensor,
} from '../../nn/safetensors.js';
import { utf8 } from '../support/bytes.js';
import { uniformFloats } from '../support/values.js';

/** Every dtype, a scalar, an empty tensor and names that JSON has to escape. */
const TENSORS: Record<string, SafetensorsTensor> = {
  'conv1.weight': { dtype: 'F32', shape: [2, 1, 3, 3], data: uniformFloats(18, 1) },
  'bn.num_batches_tracked': { dtype: 'I64', shape: [], data: BigInt64Array.of(-5n) },
  half: { dtype: 'F16', shape: [3], data: toFloat16(Float32Array.of(1, -0.1, 1e-7)) },
  brain: { dtype: 'BF16', shape: [1, 2], data: toBfloat16(Float32Array.of(3.25, -1e30)) },
  double: { dtype: 'F64', shape: [2], data: Float64Array.of(Math.PI, -0) },
  mask: { dtype: 'BOOL', shape: [5], data: Uint8Array.of(1, 0, 0, 1, 1) },
  bytes: { dtype: 'U8', shape: [3], data: Uint8Array.of(0, 7, 255) },
  small: { dtype: 'I8', shape: [1], data: Int8Array.of(-128) },
  short: { dtype: 'I16', shape: [1], data: Int16Array.of(-300) },
  ushort: { dtype: 'U16', shape: [1], data: Uint16Array.of(65535) },
  int: { dtype: 'I32', shape: [1, 1], data: Int32Array.of(-70000) },
  uint: { dtype: 'U32', shape: [1], data: Uint32Array.of(4e9) },
  ulong: { dtype: 'U64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  empty: { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
  '"quoted"\n\\ ü 漢 {}:[,]': { dtype: 'F32', shape: [1], data: Float32Array.of(NaN) },
  __proto__x: { dtype: 'F32', shape: [1], data: Float32Array.of(-Infinity) },
};
const METADATA = { format: 'pt', 'a "key"': 'Größe: {"x": [1]}' };

/** The description of one tensor in a header, as the independent reader gives it. */
interface Described {
  dtype: string;
  shape: number[];
  bytes: number[];
}

/**
 * A reader written from the format's description alone, element by element, which shares nothing with the library: the
 * header's length by hand, each tensor as its bytes.
 */
function independentRead(file: Uint8Array): { tensors: Map<string, Described>; metadata: unknown; aligned: boolean } {
  let length = 0;
  for (let i = 7; i >= 0; i--) length = length * 256 + (file[i] ?? 0);
  const text = new TextDecoder().decode(file.subarray(8, 8 + length));
  expect(text.startsWith('{')).toBe(true);
  expect(text.trimEnd().endsWith('}')).toBe(true);
  const header = JSON.parse(text) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const tensors = new Map<string, Described>();
  let aligned = (8 + length) % 8 === 0;
  let covered = 0;
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [begin, end] = entry.data_offsets;
    expect(begin).toBe(covered);
    covered = end;
    const elements = entry.shape.reduce((a, b) => a * b, 1);
    const width = elements === 0 ? 1 : (end - begin) / elements;
    expect(width).toBe(elements === 0 ? 1 : Number(/\d+$/.exec(entry.dtype)?.[0] ?? 8) / 8);
    aligned &&= begin % width === 0;
    tensors.set(name, { ...entry, bytes: [...file.subarray(8 + length + begin, 8 + length + end)] });
  }
  expect(8 + length + covered).toBe(file.length);
  return { tensors, metadata: header['__metadata__'], aligned };
}

/** The bytes of a file with this header and so many bytes behind it. */
function withHeader(header: unknown, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setUint32(0, text.length, true);
  file.set(text, 8);
  return file;
}

describe('encodeSafetensors', () => {
  it('writes what a reader made from the description alone reads', () => {
    const { tensors, metadata, aligned } = independentRead(encodeSafetensors(TENSORS, METADATA));
    expect(metadata).toEqual(METADATA);
    expect(aligned).toBe(true);
    expect(tensors.size).toBe(Object.keys(TENSORS).length);
    for (const [name, { dtype, shape, data }] of Object.entries(TENSORS)) {
      const bytes = [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
      expect(tensors.get(name)).toMatchObject({ dtype, shape, bytes });
    }
    expect(tensors.get('int')?.bytes).toEqual([0x90, 0xee, 0xfe, 0xff]);
  });

  it('writes the bytes of the smallest file', () => {
    const file = encodeSafetensors({ a: { dtype: 'F32', shape: [], data: Float32Array.of(1) } });
    const header = '{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   ';
    expect([...file]).toEqual([56, 0, 0, 0, 0, 0, 0, 0, ...utf8(header), 0, 0, 0x80, 0x3f]);
    expect([...encodeSafetensors({})]).toEqual([8, 0, 0, 0, 0, 0, 0, 0, ...utf8('{}      ')]);
  });

  it('does not depend on the order in which tensors are given', () => {
    const reversed = Object.fromEntries(Object.entries(TENSORS).reverse());
    expect(encodeSafetensors(reversed, METADATA)).toEqual(encodeSafetensors(TENSORS, METADATA));
  });

  it('writes views of larger arrays', () => {
    const data = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    const { tensors } = decodeSafetensors(encodeSafetensors({ a: { dtype: 'F32', shape: [2], data } }), 'x');
    expect([...(tensors['a']?.data ?? [])]).toEqual([1, 2]);
  });

  it('refuses tensors that contradict themselves', () => {
    const one = Float32Array.of(1);
    const bad: [name: string, tensor: unknown, message: RegExp][] = [
      ['w', { dtype: 'F32', shape: [2], data: one }, /tensor 'w': 1 elements do not fill shape \[2\]/],
      ['w', { dtype: 'F64', shape: [1], data: one }, /dtype F64 comes in a Float64Array, not in a Float32Array/],
      ['w', { dtype: 'F8', shape: [1], data: one }, /unknown dtype F8; there are F64, F32/],
      ['w', { dtype: 'toString', shape: [1], data: one }, /unknown dtype toString/],
      ['w', { dtype: 'F32', shape: [-1], data: one }, /shape \[-1\]/],
      ['w', { dtype: 'F32', shape: [1.5], data: one }, /shape \[1.5\]/],
      ['w', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 2) }, /element 1 of a BOOL tensor is 2/],
      ['__metadata__', { dtype: 'F32', shape: [1], data: one }, /reserved/],
    ];
    for (const [name, tensor, message] of bad) {
      const attempt = (): unknown => encodeSafetensors({ [name]: tensor as SafetensorsTensor });
      expect(attempt).toThrow(ArgumentError);
      expect(attempt).toThrow(message);
    }
  });
});

describe('decodeSafetensors', () => {
  it('gives back what was encoded, from any position in a buffer', () => {
    const file = encodeSafetensors(TENSORS, METADATA);
    const shifted = new Uint8Array(file.length + 5);
    shifted.set(file, 3);
    for (const bytes of [file, shifted.subarray(3, 3 + file.length)]) {
      const decoded = decodeSafetensors(bytes, 'x');
      expect(decoded.metadata).toEqual(METADATA);
      expect(Object.keys(decoded.tensors).sort()).toEqual(Object.keys(TENSORS).sort());
      for (const [name, tensor] of Object.entries(TENSORS)) expect(decoded.tensors[name]).toEqual(tensor);
    }
  });

  it('gives back random tensors, and takes a name such as __proto__ as any other', () => {
    const sizes = uniformFloats(60, 7, 0, 6).map(Math.floor);
    for (let i = 0; i + 3 <= sizes.length; i += 3) {
      const shape = [...sizes.subarray(i, i + 3)];
      const elements = shape.reduce((a, b) => a * b, 1);
      const tensors = Object.fromEntries([
        ['__proto__', { dtype: 'F32', shape, data: uniformFloats(elements, i, -1e30, 1e30) } as const],
        ['constructor', { dtype: 'U8', shape, data: Uint8Array.from(uniformFloats(elements, i, 0, 256)) } as const],
        ['toString', { dtype: 'I16', shape, data: Int16Array.from(uniformFloats(elements, i, -3e4, 3e4)) } as const],
      ]);
      const decoded = decodeSafetensors(encodeSafetensors(tensors), 'x').tensors;
      expect(Object.entries(decoded).sort()).toEqual(Object.entries(tensors).sort());
    }
  });

  it('reads headers that other writers make: spaces, any order of keys and tensors, unknown keys, no padding', () => {
    const header =
      '{ "b" : {"data_offsets":[2, 6],"dtype":"F32", "extra": {"shape": 1}, "shape":[1]},\n "a":{"shape":[2],"dtype":"U8","data_offsets":[0,2]} }';
    const file = withHeader(header, 6);
    file.set([3, 4, 0, 0, 0x20, 0x40], file.length - 6);
    const { tensors } = decodeSafetensors(file, 'x');
    expect(tensors['a']?.data).toEqual(Uint8Array.of(3, 4));
    expect(tensors['b']?.data).toEqual(Float32Array.of(2.5));
  });

  const entry = (begin: number, end: number, shape: unknown = [end - begin], dtype: unknown = 'U8'): unknown => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  const broken: [what: string, file: Uint8Array, message: RegExp][] = [
    ['nothing', new Uint8Array(0), /^m.st: ends at byte 0, within the 8 bytes/],
    ['a short length', Uint8Array.of(1, 2, 3), /ends at byte 3, within the 8 bytes/],
    ['a header beyond the end', withHeader({}, 0).subarray(0, 9), /ends at byte 9, within its header, .* byte 8 to 10/],
    ['another format', new TextEncoder().encode('PK\x03\x04 a zip file'), /is no safetensors file: its first 8 bytes/],
    [
      'a header too large',
      Uint8Array.of(1, 0xe1, 0xf5, 0x05, 0, 0, 0, 0),
      new RegExp(`100000001; at most ${MAX_HEADER_BYTES}`),
    ],
    ['bad JSON', withHeader('{"a": }', 0), /the header, bytes 8 to 15, is not valid JSON \(/],
    ['an empty header', withHeader('', 0), /not valid JSON/],
    ['bad UTF-8', Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0x7d), /not valid JSON/],
    ['no object', withHeader('[1]', 0), /byte 8, where the header begins, is not '{'/],
    ['null', withHeader('null', 0), /byte 8/],
    ['leading space', withHeader(' {}', 0), /byte 8/],
    [
      'a name twice',
      withHeader('{"é":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u00e9":1}', 0),
      /the key 'é' twice \(byte 62\)/,
    ],
    [
      'a key twice',
      withHeader('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}', 0),
      /the key 'dtype' twice \(byte 27\)/,
    ],
    ['a number for a tensor', withHeader({ a: 3 }, 0), /^m.st: 'a' \(header, byte 9\): is not an object/],
    ['null for a tensor', withHeader({ a: null }, 0), /'a' \(header, byte 9\): is not an object/],
    [
      'an unknown dtype',
      withHeader({ a: entry(0, 1, [1], 'F8_E4M3') }, 1),
      /'a' .*the dtype "F8_E4M3"; those understood are F64/,
    ],
    ['a missing dtype', withHeader({ a: { shape: [1], data_offsets: [0, 1] } }, 1), /'a' .*the dtype undefined/],
    ['a negative size', withHeader({ a: entry(0, 1, [-1]) }, 1), /'a' .*the shape \[-1\]/],
    ['a fractional size', withHeader({ a: entry(0, 1, [0.5]) }, 1), /'a' .*the shape \[0.5\]/],
    ['no shape', withHeader({ a: entry(0, 1, 'x') }, 1), /'a' .*the shape "x"/],
    [
      'three offsets',
      withHeader({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 2] } }, 1),
      /data_offsets \[0, 1, 2\]/,
    ],
    ['missing offsets', withHeader({ a: { dtype: 'U8', shape: [1] } }, 1), /data_offsets undefined/],
    [
      'offsets in reverse',
      withHeader({ a: entry(1, 0, [1]) }, 1),
      /data_offsets \[1, 0\]; expected 0 <= begin <= end <= 1/,
    ],
    ['offsets out of the file', withHeader({ a: entry(0, 9) }, 8), /data_offsets \[0, 9\]; expected .* <= 8/],
    [
      'too few bytes for the shape',
      withHeader({ a: entry(0, 7, [2], 'F32') }, 7),
      /F32 \[2\] takes 8 bytes, but its data_offsets \[0, 7\] hold 7/,
    ],
    ['an enormous shape', withHeader({ a: entry(0, 1, [2 ** 50, 2 ** 50]) }, 1), /takes 1.26\d*e\+30 bytes/],
    [
      'an overlap',
      withHeader({ a: entry(0, 4), b: entry(2, 6) }, 6),
      /'b' \(header, byte 61\): overlaps 'a' at byte 115: it begins at offset 2; expected 4/,
    ],
    ['the same bytes twice', withHeader({ a: entry(0, 4), b: entry(0, 4) }, 4), /'b' .*overlaps 'a'/],
    ['a hole', withHeader({ a: entry(0, 2), b: entry(4, 6) }, 6), /'b' .*leaves a gap of 2 bytes after 'a'/],
    ['a hole in front', withHeader({ a: entry(1, 2) }, 2), /'a' .*leaves a gap of 1 bytes after the header/],
    ['bytes at the end', withHeader({ a: entry(0, 2) }, 3), /the last tensor ends at byte 63, but the file at byte 64/],
    [
      'metadata that is no object',
      withHeader({ __metadata__: 'x' }, 0),
      /'__metadata__' \(header, byte 9\): is not an object of strings/,
    ],
    ['metadata with numbers', withHeader({ __metadata__: { n: 3 } }, 0), /the value of 'n' is not a string/],
    [
      'a BOOL of 2',
      ((f) => (f.set([2], f.length - 1), f))(withHeader({ a: entry(0, 2, [2], 'BOOL') }, 2)),
      /'a' .*byte 64 of the file is 2; a BOOL is 0 or 1/,
    ],
  ];
  it.each(broken)('refuses %s', (_, file, message) => {
    expect(() => decodeSafetensors(file, 'm.st')).toThrow(FormatError);
    expect(() => decodeSafetensors(file, 'm.st')).toThrow(message);
  });

  it.each([
    [
      'a dtype of lists in lists',
      `{"a":{"dtype":${'['.repeat(2e5)}${']'.repeat(2e5)},"shape":[],"data_offsets":[0,0]}}`,
    ],
    ['an endless dtype', `{"a":{"dtype":"${'x'.repeat(1e6)}","shape":[],"data_offsets":[0,0]}}`],
    ['an endless shape', `{"a":{"dtype":"F32","shape":[${'1,'.repeat(1e6)}1],"data_offsets":[0,0]}}`],
    ['endless offsets', `{"a":{"dtype":"F32","shape":[],"data_offsets":[${'1,'.repeat(1e6)}1]}}`],
    ['an endless name', `{"${'x'.repeat(1e6)}":{"dtype":"F9","shape":[],"data_offsets":[0,0]}}`],
    ['what a terminal would obey', '{"\\u001b[2J":{"dtype":"\\u001b[2J","shape":[],"data_offsets":[0,0]}}'],
  ])('refuses %s in few words', (_, header) => {
    const refused = (): string => {
      try {
        decodeSafetensors(withHeader(header, 0), 'm.st');
      } catch (error) {
        if (error instanceof FormatError) return error.message;
        throw error;
      }
      throw new Error('was taken');
    };
    expect(refused().length).toBeLessThan(500);
    expect(refused()).not.toContain('\x1b');
  });

  it('reads strings of any length, however many escapes they have', () => {
    const text = ['x'.repeat(2e7), '\\n'.repeat(4e6), '\\\\'.repeat(4e6), '\\"'.repeat(1e6)].join('');
    const { metadata } = decodeSafetensors(withHeader(`{"__metadata__":{"k":"${text}"}}`, 0), 'm.st');
    expect(metadata['k']).toHaveLength(2e7 + 4e6 + 4e6 + 1e6);
    expect(() =>
      decodeSafetensors(withHeader('{"__metadata__":{"\\\\":"","\\"\\\\":":","\\\\":""}}', 0), 'm.st'),
    ).toThrow(/the key '\\' twice \(byte 44\)/);
  });

  it('refuses every proper prefix of a file, and never anything but a FormatError for a damaged header', () => {
    const file = encodeSafetensors({ a: { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) } }, { k: 'v' });
    for (let length = 0; length < file.length; length++) {
      expect(() => decodeSafetensors(file.subarray(0, length), 'x')).toThrow(FormatError);
    }
    for (let at = 0; at < file.length - 12; at++) {
      for (const flip of [1, 0x20, 0x80]) {
        const damaged = file.slice();
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        try {
          decodeSafetensors(damaged, 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }
  });
});

describe('floatsOf', () => {
  it('gives float32 of the float dtypes and refuses the others', () => {
    const floats = [1, -0.5, 0.25];
    const tensors: SafetensorsTensor[] = [
      { dtype: 'F64', shape: [3], data: Float64Array.from(floats) },
      { dtype: 'F32', shape: [3], data: Float32Array.from(floats) },
      { dtype: 'F16', shape: [3], data: toFloat16(Float32Array.from(floats)) },
      { dtype: 'BF16', shape: [3], data: toBfloat16(Float32Array.from(floats)) },
    ];
    for (const tensor of tensors) expect(floatsOf(tensor)).toEqual(Float32Array.from(floats));
    expect(() => floatsOf({ dtype: 'I64', shape: [1], data: BigInt64Array.of(1n) })).toThrow(ArgumentError);
  });
});
