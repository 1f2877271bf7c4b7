/** Files for tests of the readers: fixtures by name, zip archives and pickles written byte by byte. */
import { deflateSync } from 'fflate';
import { joined, latin1, utf8 } from '../../support/bytes.js';
import { readFixture } from '../../support/read-fixture.js';

/** The bytes of a file of `test/fixtures/pytorch/`. */
export function fixture(name: string): Uint8Array<ArrayBuffer> {
  return readFixture(`pytorch/${name}`);
}

/** What PyTorch says of the fixtures. */
export const EXPECTED = JSON.parse(new TextDecoder().decode(fixture('expected.json'))) as {
  readonly values: Readonly<
    Record<string, { readonly dtype: string; readonly shape: readonly number[]; readonly values: readonly string[] }>
  >;
} & Readonly<Record<'cnn4' | 'cnn4-deflated' | 'resnet18', ExpectedLogits>>;

/** The logits of a network in float64, of an input whose value j is `(7919 j mod 257) / 256`. */
export interface ExpectedLogits {
  readonly shape: readonly number[];
  readonly logits: readonly number[];
  readonly norm: number;
  readonly f32err: number;
}

/** How a member of an archive is written. */
export interface MemberOptions {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly deflated?: boolean;
  /** Sizes and offset in the zip64 extension, as for what is beyond 4 GiB. */
  readonly zip64?: boolean;
  /** What the directory says in place of the truth. */
  readonly lie?: { readonly size?: number; readonly crc?: number; readonly method?: number; readonly flags?: number };
}

const le = (bytes: number, value: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value), true);
  return new Uint8Array(view.buffer, 0, bytes);
};

/** The checksum of ISO 3309, bit by bit. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A zip archive. */
export function zipOf(members: readonly MemberOptions[], comment = ''): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, bytes, deflated = false, zip64 = false, lie = {} } of members) {
    const packed = deflated ? deflateSync(bytes) : bytes;
    const { size = bytes.length, crc = crc32(bytes), method = deflated ? 8 : 0, flags = 0 } = lie;
    const text = utf8(name);
    const padding = latin1('FB\x03\0ZZZ');
    const about = [le(2, flags), le(2, method), le(4, 0), le(4, crc)];
    // The local header's own sizes are 0, as writers leave them that do not know them yet.
    const local = joined([latin1('PK\x03\x04\0\0'), ...about, le(8, 0), le(2, text.length), le(2, 7), text, padding]);
    const extra = zip64
      ? joined([le(2, 1), le(2, 24), le(8, size), le(8, packed.length), le(8, at)])
      : new Uint8Array();
    const [small, place] = zip64
      ? [new Uint8Array(8).fill(255), new Uint8Array(4).fill(255)]
      : [joined([le(4, packed.length), le(4, size)]), le(4, at)];
    const lengths = [le(2, text.length), le(2, extra.length), le(2, 0)];
    const signature = latin1('PK\x01\x02\0\0\0\0');
    directory.push(joined([signature, ...about, small, ...lengths, le(2, 0), le(6, 0), place, text, extra]));
    parts.push(local, packed);
    at += local.length + packed.length;
  }
  const listed = joined(directory);
  const counts = [le(2, members.length), le(2, members.length)];
  const end = [
    latin1('PK\x05\x06'),
    le(4, 0),
    ...counts,
    le(4, listed.length),
    le(4, at),
    le(2, comment.length),
    utf8(comment),
  ];
  return joined([...parts, listed, ...end]);
}

/** A pickle of protocol 2, of operations given as characters (codes and texts) and numbers (bytes). */
export function pickleOf(...parts: readonly (string | number)[]): Uint8Array<ArrayBuffer> {
  const bytes = parts.map((part) => (typeof part === 'number' ? [part] : [...latin1(part)]));
  return Uint8Array.from([0x80, 2, ...bytes.flat(), ...latin1('.')]);
}

/** The operation that pushes a short text. */
export const text = (value: string): string => `X${String.fromCharCode(value.length)}\0\0\0${value}`;

/** A file of `torch.save` with this pickle and these storages. */
export function torchFile(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array<ArrayBuffer> {
  const data = Object.entries(storages).map(([key, bytes]) => ({ name: `archive/data/${key}`, bytes }));
  return zipOf([{ name: 'archive/data.pkl', bytes: pickle }, ...data, { name: 'archive/version', bytes: utf8('3\n') }]);
}

/** The operations of a tensor: of the storage '0' with `count` elements of a class such as FloatStorage. Numbers below 256. */
export function tensorOps({
  storage = 'FloatStorage',
  count,
  offset = 0,
  shape,
  strides,
}: {
  readonly storage?: string;
  readonly count: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}): string {
  const byte = (value: number): string => `K${String.fromCharCode(value)}`;
  const tuple = (values: readonly number[]): string => `(${values.map(byte).join('')}t`;
  const id = `(${text('storage')}ctorch\n${storage}\n${text('0')}${text('cpu')}${byte(count)}tQ`;
  const hooks = 'ccollections\nOrderedDict\n)R';
  return `ctorch._utils\n_rebuild_tensor_v2\n(${id}${byte(offset)}${tuple(shape)}${tuple(strides)}\x89${hooks}tR`;
}
