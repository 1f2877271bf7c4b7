import { describe, expect, it } from 'vitest';
import { ArgumentError, FormatError } from '../../../engine/errors.js';
import { fromBfloat16, fromFloat16 } from '../../../engine/float16.js';
import { isPyTorch, readPyTorch, stateDictOf, type PyTorchValue } from '../../../nn/index.js';
import { isDict } from '../../../nn/pytorch/value.js';
import type { SafetensorsTensor } from '../../../nn/safetensors.js';
import { utf8 } from '../../support/bytes.js';
import { EXPECTED, fixture, pickleOf, tensorOps, text, torchFile, zipOf, type MemberOptions } from './made-files.js';

const DTYPES: Readonly<Record<string, string>> = {
  'torch.float32': 'F32',
  'torch.float64': 'F64',
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
  'torch.int64': 'I64',
  'torch.int32': 'I32',
  'torch.int16': 'I16',
  'torch.int8': 'I8',
  'torch.uint8': 'U8',
  'torch.bool': 'BOOL',
};

/** A tensor's values as Python's `repr` writes them, or as JavaScript does where the two differ. */
function numbersOf({ dtype, data }: SafetensorsTensor): (number | bigint)[] {
  if (dtype === 'F16') return [...fromFloat16(data)];
  if (dtype === 'BF16') return [...fromBfloat16(data)];
  return [...data];
}

function pythonNumber(dtype: string, value: string): number | bigint {
  if (dtype === 'torch.int64') return BigInt(value);
  if (value === 'True' || value === 'False') return Number(value === 'True');
  return value === 'inf' ? Infinity : Number(value);
}

function dictOf(value: PyTorchValue | undefined): ReadonlyMap<PyTorchValue, PyTorchValue> {
  if (isDict(value)) return value;
  throw new Error('no dict');
}

async function valueOf(bytes: Uint8Array): Promise<PyTorchValue> {
  return (await readPyTorch(bytes, 'm.pt')).value;
}

async function tensorsOf(name: string): Promise<ReadonlyMap<string, SafetensorsTensor>> {
  return stateDictOf(await readPyTorch(fixture(name), name));
}

describe('readPyTorch', () => {
  const files = [
    'values.pt',
    'values-legacy.pt',
    'values-protocol-3.pt',
    'values-protocol-4.pt',
    'values-protocol-5.pt',
  ];

  it.each([3, 4, 5])('reads the older format in protocol %i', async (protocol) => {
    const name = `tiny-legacy-protocol-${protocol}.pt`;
    expect(isPyTorch(fixture(name))).toBe(true);
    expect((await readPyTorch(fixture(name), name)).format).toBe('legacy');
    expect(await tensorsOf(name)).toEqual(await tensorsOf('tiny-legacy.pt'));
  });

  it.each(files)('reads every type and layout of tensors in %s', async (name) => {
    const tensors = await tensorsOf(name);
    expect([...tensors.keys()]).toEqual(Object.keys(EXPECTED.values));
    for (const [key, { dtype, shape, values }] of Object.entries(EXPECTED.values)) {
      const tensor = tensors.get(key);
      if (!tensor) throw new Error(`no ${key}`);
      expect([tensor.dtype, tensor.shape], key).toEqual([DTYPES[dtype], shape]);
      expect(numbersOf(tensor), key).toEqual(values.map((value) => pythonNumber(dtype, value)));
    }
    expect((await readPyTorch(fixture(name), name)).format).toBe(name.includes('legacy') ? 'legacy' : 'zip');
  });

  it('has tensors share memory that shared it in PyTorch, and copies what was not contiguous', async () => {
    const tensors = await tensorsOf('values.pt');
    const buffer = (name: string): unknown => tensors.get(name)?.data.buffer;
    expect(buffer('row')).toBe(buffer('base'));
    expect(buffer('transposed')).not.toBe(buffer('base'));
  });

  it('leaves the bytes that it was given alone, and does not depend on where they lie', async () => {
    const file = fixture('tiny.pt');
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    expect(await valueOf(shifted.subarray(3))).toEqual(await valueOf(file));
    const tensors = await tensorsOf('tiny.pt');
    tensors.get('w')?.data.fill(0 as never);
    expect(file).toEqual(fixture('tiny.pt'));
  });

  it("reads a training run's checkpoint whole", async () => {
    const value = dictOf(await valueOf(fixture('checkpoint.pt')));
    const plain = ['epoch', 'best', 'name', 'done', 'history', 'device', 'size', 'dtype', 'large', 'negative', 'none'];
    expect(plain.map((key): unknown => value.get(key))).toEqual([
      3,
      0.5,
      'cnn4',
      false,
      [
        [1, 2.5],
        [2, -0.25],
      ],
      'cuda:0',
      [2, 3],
      'torch.bfloat16',
      2n ** 70n,
      -(2 ** 40),
      null,
    ]);
    expect(value.get('set')).toEqual(new Set([1, 2]));
    expect(value.get('bytes')).toEqual(Uint8Array.of(0, 255));
    expect(value.get('rng')).toMatchObject({ dtype: 'U8', data: Uint8Array.from({ length: 16 }, (_, at) => at) });
    const scheduler = dictOf(value.get('scheduler'));
    expect([...dictOf(scheduler.get('milestones'))]).toEqual([
      [50, 1],
      [75, 1],
    ]);
    expect([...stateDictOf({ name: 'm.pt', format: 'zip', value }).keys()]).toContain('normalize.mean');
  });

  it('tells its files from others', async () => {
    expect([isPyTorch(fixture('tiny.pt')), isPyTorch(fixture('values-legacy.pt'))]).toEqual([true, true]);
    expect(isPyTorch(Uint8Array.of(0x50, 0x4b))).toBe(false);
    await expect(valueOf(Uint8Array.of(8, 0, 0))).rejects.toThrow(
      /^m.pt: is no file of torch.save; .* bytes 08 00 00, /,
    );
    await expect(valueOf(new Uint8Array(0))).rejects.toThrow(FormatError);
  });
});

describe('a file that asks for something else than values', () => {
  const refused: [name: string, message: RegExp][] = [
    [
      'hostile-system.pt',
      /byte 18 of its member 'hostile-system\/data.pkl': asks for posix\.system, which .* nothing was executed/,
    ],
    ['hostile-eval.pt', /asks for __builtin__\.eval, which a checkpoint does not need; nothing was executed/],
    ['hostile-legacy.pt', /byte 139: asks for __builtin__\.eval, which/],
    [
      'whole-model.pt',
      /asks for torch\.nn\.modules\.linear\.Linear, .* of a whole model, save model\.state_dict\(\) instead/,
    ],
    ['script.pt', /script.pt: is a TorchScript program/],
  ];
  it.each(refused)('is refused by the name: %s', async (name, message) => {
    await expect(readPyTorch(fixture(name), name)).rejects.toThrow(FormatError);
    await expect(readPyTorch(fixture(name), name)).rejects.toThrow(message);
  });

  it.each([
    ['a name on the stack', pickleOf(text('builtins'), text('exec'), 0x93), /asks for builtins\.exec/],
    ['a class in the way of Python 2', pickleOf('(ios\nsystem\n'), /asks for os\.system/],
    ['a name of the objects that lists are made of', pickleOf('c\n__proto__\n'), /asks for \.__proto__/],
    ['a name that is no name', pickleOf('cconstructor\n\n'), /asks for constructor\., /],
    ['what a terminal would obey', pickleOf('cx\ny\x1b[2J\n'), /asks for x\.y\?\[2J/],
    [
      'what stands beside the weights',
      pickleOf('cargparse\nNamespace\n'),
      /asks for argparse\.Namespace, .* save the weights alone: of a dict that holds more, torch\.save\(checkpoint\['state_dict'\]/,
    ],
    [
      'a device of a long name',
      pickleOf('ctorch\ndevice\n', text('x'.repeat(33)), '\x85R'),
      /names a device by a text of 33 characters; at most 32/,
    ],
    ['a storage of its own making', pickleOf('ctorch\nFloatStorage\n)R'), /makes a torch\.FloatStorage by itself/],
    ['classes as values', pickleOf('ctorch\nFloatStorage\n'), /not made of values alone/],
    ['attributes of a list', pickleOf(']}b'), /gives attributes to what is no dict/],
    ['a call of a text', pickleOf(text('f'), ')R'), /calls what is no function/],
    ['a call without a tuple', pickleOf('ctorch\nSize\nK\x01R'), /calls torch\.Size with what is no tuple/],
    ['an operation of protocol 0', pickleOf('I1\n'), /byte 2 .*there is no operation 0x49/],
    ['protocol 6', Uint8Array.of(0x80, 6, 0x4e, 0x2e), /byte 1 .*protocol 6; those understood are 2 to 5/],
    ['what is not there', pickleOf('h\x05'), /item 5 is asked for before it is there/],
    ['more than the stack has', pickleOf('(R'), /the stack is empty/],
    ['a mark that is not there', pickleOf('t'), /there is no mark/],
    ['a list that is a dict', pickleOf('}Na'), /adds 1 items to what is no list/],
    ['a key without a value', pickleOf('}(Nu'), /adds 1 items to what is no dict/],
    [
      'a text beyond the end',
      pickleOf('X\xff\xff\xff\x7fab'),
      /the pickle ends at byte .*; 2147483647 bytes were to come/,
    ],
    ['a text beyond all ends', pickleOf(0x8d, '\xff\xff\xff\xff\xff\xff\xff\xffab'), /the pickle ends at byte/],
    ['a frame beyond the end', pickleOf(0x95, '\xff\xff\0\0\0\0\0\0'), /a frame of 65535 bytes goes over the end/],
    ['bad UTF-8', pickleOf('X\x01\0\0\0\xff'), /a text of 1 bytes is not UTF-8/],
    ['an enormous integer', pickleOf(0x8b, '\xff\xff\xff\x7f'), /an integer of 2147483647 bytes; at most 64/],
    ['a set of nothing', pickleOf('c__builtin__\nset\nNN\x86R'), /makes a set of what is no list/],
    ['an odd dict', pickleOf('ccollections\nOrderedDict\n](K\x01e\x85R'), /makes a dict of what is no list of pairs/],
    ['a size below 0', pickleOf('ctorch\nSize\n(J\xff\xff\xff\xfft\x85R'), /torch\.Size is not of integers from 0 up/],
    [
      'a parameter of nothing',
      pickleOf('ctorch._utils\n_rebuild_parameter\nN\x85R'),
      /a parameter of what is no tensor/,
    ],
    ['other bytes', pickleOf('c_codecs\nencode\n', text('a'), text('utf8'), '\x86R'), /encodes something other/],
    ['an odd storage', pickleOf('NQ'), /asks for what is no storage/],
  ])('is refused: %s', async (_, pickle, message) => {
    await expect(valueOf(torchFile(pickle))).rejects.toThrow(FormatError);
    await expect(valueOf(torchFile(pickle))).rejects.toThrow(message);
  });

  it('may hold itself', async () => {
    const value = await valueOf(torchFile(pickleOf(']q\0h\0a')));
    expect(Array.isArray(value) && value[0] === value).toBe(true);
  });

  it('is refused where it makes copies without end, or never comes to one', async () => {
    const list = `](${'K\x01'.repeat(2000)}e`;
    const copies = `c__builtin__\nset\nq\x01${list}\x85q\x020(${'h\x01h\x02R'.repeat(2000)}t`;
    await expect(valueOf(torchFile(pickleOf(copies)))).rejects.toThrow(
      /a set would bring what is unpacked to \d+ bytes; at most/,
    );
    const endless = new Uint8Array(2_100_000).fill(0x29);
    await expect(valueOf(torchFile(endless))).rejects.toThrow(/more than 2000000 operations/);
  });
});

describe('a tensor', () => {
  const storage = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  const read = (layout: Parameters<typeof tensorOps>[0], bytes = storage): Promise<PyTorchValue> =>
    valueOf(torchFile(pickleOf(tensorOps(layout)), { 0: bytes }));

  it('is read at its offset, by its strides', async () => {
    const layout = { count: 4, offset: 1, shape: [2, 2], strides: [1, 1] };
    expect(await read(layout)).toEqual({ dtype: 'F32', shape: [2, 2], data: Float32Array.of(2, 3, 3, 4) });
    expect(await read({ count: 4, offset: 3, shape: [1, 1], strides: [9, 9] })).toMatchObject({
      data: Float32Array.of(4),
    });
    expect(await read({ count: 4, offset: 9, shape: [2, 0], strides: [1, 1] })).toMatchObject({
      shape: [2, 0],
      data: new Float32Array(0),
    });
  });

  it.each([
    [
      'beyond its storage',
      { count: 4, shape: [5], strides: [1] },
      /shape \[5\] and strides \[1\] from element 0 goes to element 4; its storage has 4/,
    ],
    ['that begins beyond it', { count: 4, offset: 4, shape: [], strides: [] }, /from element 4 goes to element 4/],
    ['with strides beyond it', { count: 4, shape: [2, 2], strides: [3, 1] }, /goes to element 4/],
    ['with too few strides', { count: 4, shape: [2, 2], strides: [1] }, /2 axes with 1 strides/],
    ['with too many axes', { count: 4, shape: Array<number>(65).fill(1), strides: [] }, /65 entries; at most 64/],
    [
      'that repeats one element without end',
      { count: 4, shape: [255, 255, 255, 2], strides: [0, 0, 0, 0] },
      /would bring what is unpacked to/,
    ],
    [
      'of a storage of another size',
      { count: 5, shape: [1], strides: [1] },
      /asks for 20 bytes of the storage '0', which has 16/,
    ],
    [
      'of complex numbers',
      { storage: 'ComplexFloatStorage', count: 2, shape: [1], strides: [1] },
      /asks for torch\.ComplexFloatStorage/,
    ],
    [
      'of bytes without a type',
      { storage: 'UntypedStorage', count: 16, shape: [1], strides: [1] },
      /a type that is not understood, none at all/,
    ],
    [
      'of truths beyond 1',
      { storage: 'BoolStorage', count: 16, shape: [16], strides: [1] },
      /element 2 of a bool tensor is 128/,
    ],
  ])('is refused: %s', async (_, layout, message) => {
    await expect(read(layout)).rejects.toThrow(FormatError);
    await expect(read(layout)).rejects.toThrow(message);
  });

  it('of many truths is looked through so often, and no more', async () => {
    const count = 2 ** 23;
    const size = 'J\0\0\x80\0';
    const id = `(${text('storage')}ctorch\nBoolStorage\n${text('0')}${text('cpu')}${size}tQ`;
    const args = `(${id}K\0(${size}t(K\x01t\x89ccollections\nOrderedDict\n)Rtq\x02`;
    const pickle = (times: number) =>
      pickleOf(`ctorch._utils\n_rebuild_tensor_v2\nq\x01${args}0`, 'h\x01h\x02R0'.repeat(times), 'N');
    const file = (times: number) =>
      zipOf([
        { name: 'a/data.pkl', bytes: pickle(times) },
        { name: 'a/data/0', bytes: new Uint8Array(count), deflated: true },
      ]);
    expect(await valueOf(file(3))).toBeNull();
    await expect(valueOf(file(60))).rejects.toThrow(/a tensor of shape \[8388608\] .* would bring what is unpacked to/);
  });

  it('without its storage is refused', async () => {
    const file = torchFile(pickleOf(tensorOps({ count: 4, shape: [4], strides: [1] })));
    await expect(valueOf(file)).rejects.toThrow(/the storage '0', which the archive does not have/);
  });

  it('of bytes with a type of its own, as later versions of PyTorch write it', async () => {
    const id = `(${text('storage')}ctorch.storage\nUntypedStorage\n${text('0')}${text('cpu')}K\x10tQ`;
    const tensor = `ctorch._utils\n_rebuild_tensor_v3\n(${id}K\x02(K\x03t(K\x01t\x89ccollections\nOrderedDict\n)Rctorch\nuint16\ntR`;
    const bytes = new Uint8Array(Uint16Array.of(1, 2, 3, 4, 5, 6, 7, 65535).buffer);
    const value = await valueOf(torchFile(pickleOf(tensor), { 0: bytes }));
    expect(value).toEqual({ dtype: 'U16', shape: [3], data: Uint16Array.of(3, 4, 5) });
  });
});

describe('an archive', () => {
  const pickle: MemberOptions = { name: 'a/data.pkl', bytes: pickleOf('K\x07') };

  it('may be deflated, have large sizes, a comment, or other members', async () => {
    const other = { name: 'a/.data/serialization_id', bytes: new Uint8Array(100) };
    const order = { name: 'a/byteorder', bytes: utf8('little') };
    expect(await valueOf(zipOf([pickle]))).toBe(7);
    expect(
      await valueOf(
        zipOf([
          { ...pickle, deflated: true },
          { ...other, deflated: true },
        ]),
      ),
    ).toBe(7);
    expect(await valueOf(zipOf([other, { ...pickle, zip64: true }, order]))).toBe(7);
    expect(await valueOf(zipOf([pickle], 'PK\x05\x06 a comment'))).toBe(7);
    expect(await valueOf(zipOf([{ ...pickle, name: 'data.pkl' }]))).toBe(7);
  });

  it.each([
    ['no pickle', zipOf([{ ...pickle, name: 'a/other.pkl' }]), /no member data\.pkl/],
    ['a member twice', zipOf([pickle, pickle]), /holds the member 'a\/data\.pkl' twice/],
    [
      'a name that a terminal would obey',
      zipOf([{ ...pickle, name: '\x1b[2J', lie: { crc: 1 } }]),
      /member '\?\[2J', bytes 41 to 46, is damaged/,
    ],
    [
      'a wrong checksum',
      zipOf([{ ...pickle, lie: { crc: 1 } }]),
      /member 'a\/data\.pkl', bytes 47 to 52, is damaged: its checksum/,
    ],
    ['a wrong size', zipOf([{ ...pickle, lie: { size: 6 } }]), /unpacks to 5 bytes; the directory says 6/],
    [
      'a deflated member of a wrong size',
      zipOf([{ ...pickle, deflated: true, lie: { size: 4 } }]),
      /unpacks to more than the 4 bytes/,
    ],
    [
      'an enormous size',
      zipOf([{ ...pickle, deflated: true, lie: { size: 4e9 } }]),
      /would bring what is unpacked to 4000000000 bytes; at most 67108864/,
    ],
    [
      'a size beyond all',
      zipOf([{ ...pickle, zip64: true, lie: { size: 2 ** 52 } }]),
      /would bring what is unpacked to/,
    ],
    [
      'another packing',
      zipOf([{ ...pickle, lie: { method: 12 } }]),
      /is packed by method 12; those understood are 0 \(stored\) and 8/,
    ],
    ['encryption', zipOf([{ ...pickle, lie: { flags: 1 } }]), /member 'a\/data\.pkl' is encrypted/],
    ['bytes that do not inflate', zipOf([{ ...pickle, lie: { method: 8 } }]), /does not inflate/],
    [
      'big numbers first',
      zipOf([pickle, { name: 'a/byteorder', bytes: utf8('big') }]),
      /its byte order is 'big'; expected little/,
    ],
  ])('is refused: %s', async (_, bytes, message) => {
    await expect(valueOf(bytes)).rejects.toThrow(FormatError);
    await expect(valueOf(bytes)).rejects.toThrow(message);
  });
});

describe('stateDictOf', () => {
  const tensor: SafetensorsTensor = { dtype: 'F32', shape: [1], data: Float32Array.of(1) };
  const state = new Map([['w', tensor]]);
  const of = (value: PyTorchValue, key?: string): unknown =>
    stateDictOf({ name: 'm.pt', format: 'zip', value }, { key });

  it.each(['state_dict', 'model_state_dict', 'model', 'net', 'ema'])('finds the only one: under %s', (key) => {
    expect(of(new Map<PyTorchValue, PyTorchValue>([['epoch', 3], ['loss', tensor], [key, state]]))).toEqual(state); // prettier-ignore
  });

  it('finds it at the top, and dicts deep', () => {
    expect(of(state)).toEqual(state);
    expect(of(new Map([['a', new Map([['b', state]])]]))).toEqual(state);
    expect(of(new Map([['model', state], ['same', state]]))).toEqual(state); // prettier-ignore
  });

  it('asks which, where there are several', () => {
    const two = new Map([['model', state], ['ema', new Map([['net', new Map(state)]])]] as [string, PyTorchValue][]); // prettier-ignore
    expect(() => of(two)).toThrow(ArgumentError);
    expect(() => of(two)).toThrow(/^m.pt: has several state dicts; say which by its key: 'model', 'ema\.net'$/);
    expect(of(two, 'ema.net')).toEqual(state);
    expect(() => of(two, 'emma')).toThrow(
      /no state dict under the key 'emma'; those that there are: 'model', 'ema\.net'/,
    );
  });

  it('lists the first of many, and does not look under keys without end', () => {
    const many = new Map(Array.from({ length: 10 }, (_, index) => [`net${index}`, new Map(state)] as const));
    expect(() => of(many)).toThrow(/say which by its key: 'net0', .*, 'net7' and 2 more$/);
    expect(of(new Map([['x'.repeat(1001), new Map(state)], ['model', state]]))).toEqual(state); // prettier-ignore
  });

  it('refuses two that their keys do not tell apart', () => {
    const two = new Map<PyTorchValue, PyTorchValue>([['a.b', state], ['a', new Map([['b', new Map(state)]])]]); // prettier-ignore
    expect(() => of(two)).toThrow(FormatError);
    expect(() => of(two, 'a.b')).toThrow(/^m\.pt: has two state dicts under the key 'a\.b'/);
  });

  it('refuses what has none', () => {
    expect(() => of(3)).toThrow(/has no state dict, a dict of tensors by name; it holds no dict/);
    expect(() => of(tensor)).toThrow(/it holds a single tensor/);
    expect(() => of(new Map([['epoch', 3]]))).toThrow(FormatError);
    expect(() => of(new Map([['epoch', 3]]))).toThrow(/it holds a dict of 'epoch'$/);
    expect(() => of(new Map(), 'model')).toThrow(/there is none at all/);
  });
});
