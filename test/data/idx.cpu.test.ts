import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { gunzip, isGzip, type NamedBytes } from '../../data/gzip.js';
import { parseIdx, readIdx, type IdxType } from '../../data/idx.js';
import { FormatError } from '../../engine/errors.js';

/** An IDX file, written from the description of the format. */
function idx(code: number, shape: readonly number[], data: readonly number[]): number[] {
  return [
    0,
    0,
    code,
    shape.length,
    ...shape.flatMap((n) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]),
    ...data,
  ];
}

function file(bytes: readonly number[]): NamedBytes {
  return { name: 'some-idx', bytes: Uint8Array.from(bytes) };
}

describe('parseIdx', () => {
  const cases: [code: number, type: IdxType, data: number[], values: number[]][] = [
    [0x08, 'u8', [0, 1, 255], [0, 1, 255]],
    [0x09, 'i8', [0, 127, 0xff], [0, 127, -1]],
    [0x0b, 'i16', [0x12, 0x34, 0xff, 0xfe, 0, 1], [0x1234, -2, 1]],
    [0x0c, 'i32', [0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 1], [0x10000, -1, 0x7f000001]],
    [0x0d, 'f32', [0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0, 0, 0, 0, 0], [1, -2.5, 0]],
    [0x0e, 'f64', [0x3f, 0xf8, ...Array<number>(6).fill(0), ...Array<number>(16).fill(0)], [1.5, 0, 0]],
  ];
  it.each(cases)('reads element type %d as %s', (code, type, data, values) => {
    const array = parseIdx(file(idx(code, [3], data)));
    expect(array.type).toBe(type);
    expect(array.shape).toEqual([3]);
    expect([...array.data]).toEqual(values);
  });

  it('reads any number of axes, from a view into a larger buffer too', () => {
    const bytes = idx(8, [2, 1, 3], [1, 2, 3, 4, 5, 6]);
    const inside = Uint8Array.from([9, 9, 9, ...bytes, 9]).subarray(3, 3 + bytes.length);
    expect(parseIdx({ name: 'x', bytes: inside })).toMatchObject({
      shape: [2, 1, 3],
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
    expect(parseIdx(file(idx(8, [0, 28, 28], []))).data.length).toBe(0);
    expect(parseIdx(file(idx(8, [], [7])))).toMatchObject({ shape: [], data: Uint8Array.of(7) });
  });

  it('names the file and the byte of what is broken', () => {
    const good = idx(8, [2, 2], [1, 2, 3, 4]);
    const broken: [bytes: number[], message: RegExp][] = [
      [[], /^some-idx: ends at byte 0, within the 4-byte magic number/],
      [good.slice(0, 3), /ends at byte 3/],
      [[0x89, 0x50, 0x4e, 0x47, 1, 2], /is no IDX file; it begins with the bytes 89 50 4e 47/],
      [[0, 1, 8, 1, 0, 0, 0, 0], /is no IDX file/],
      [idx(0x0a, [1], [1]), /byte 2, the element type, is 0x0a/],
      [good.slice(0, 11), /ends at byte 11, within its header of 2 axes \(12 bytes\)/],
      [good.slice(0, 15), /is cut short: it ends at byte 15; its header \[2, 2\] of u8 says 16/],
      [[...good, 0, 0], /has 2 bytes too many: it ends at byte 18/],
      [idx(0x0d, [4], [0]), /says 24/],
      [idx(8, [0xffffffff, 0xffffffff], []), /is cut short/],
    ];
    for (const [bytes, message] of broken) {
      expect(() => parseIdx(file(bytes))).toThrow(FormatError);
      expect(() => parseIdx(file(bytes))).toThrow(message);
    }
  });

  it('accepts no proper prefix and no extension of a file', () => {
    const good = idx(0x0b, [2, 3], Array<number>(12).fill(1));
    for (let length = 0; length < good.length; length++) {
      expect(() => parseIdx(file(good.slice(0, length)))).toThrow(FormatError);
    }
    expect(() => parseIdx(file([...good, 0]))).toThrow(FormatError);
    expect(parseIdx(file(good)).data.length).toBe(6);
  });
});

describe('gzip', () => {
  const plain = idx(8, [5], [1, 2, 3, 4, 5]);
  const packed = gzipSync(Uint8Array.from(plain));

  it('is unpacked where the file begins as gzip does', async () => {
    expect(isGzip(packed)).toBe(true);
    expect(isGzip(Uint8Array.from(plain))).toBe(false);
    expect((await readIdx(file([...packed]))).data).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
    expect((await readIdx(file(plain))).data).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
  });

  it('names a file that is cut short or damaged', async () => {
    for (const length of [2, 9, 12, packed.length - 9, packed.length - 1]) {
      await expect(gunzip(file([...packed.subarray(0, length)]))).rejects.toThrow(/^some-idx: the gzip stream/);
    }
    const damaged = [...packed];
    damaged[damaged.length - 8] = (damaged[damaged.length - 8] ?? 0) ^ 1; // the checksum
    await expect(gunzip(file(damaged))).rejects.toThrow(FormatError);
    await expect(gunzip(file(damaged))).rejects.toThrow(/cut short or damaged/);
    await expect(gunzip(file([...packed, 1, 2, 3]))).rejects.toThrow(FormatError);
  });
});
