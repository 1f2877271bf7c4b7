/** The names of Python's that a PyTorch file may ask for, and what they stand for. Everything else is refused. */
import type { FormatError } from '../../engine/errors.js';
import type { SafetensorsDType } from '../safetensors.js';
import type { Budget } from './budget.js';
import { PickleGlobal, isList, isValue, type Item } from './pickle.js';
import { Storage, tensorIn } from './tensor.js';
import { isTensor, shown, type PyTorchValue } from './value.js';

/** The class of a storage, which gives the type of its elements; undefined for bytes that each tensor gives a type of its own. */
export class StorageClass extends PickleGlobal {
  constructor(
    name: string,
    readonly dtype: SafetensorsDType | undefined,
  ) {
    super(name, (_, fail) => {
      throw fail(`makes a ${name} by itself; they come from the file`);
    });
  }
}

const STORAGES: Readonly<Record<string, SafetensorsDType | undefined>> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
  'torch.UntypedStorage': undefined,
  'torch.storage.UntypedStorage': undefined,
};

/** PyTorch's element types; undefined for those that are understood as a setting, but not as a tensor's. */
const DTYPES: Readonly<Record<string, SafetensorsDType | undefined>> = {
  'torch.float64': 'F64',
  'torch.float32': 'F32',
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
  'torch.int64': 'I64',
  'torch.int32': 'I32',
  'torch.int16': 'I16',
  'torch.int8': 'I8',
  'torch.uint64': 'U64',
  'torch.uint32': 'U32',
  'torch.uint16': 'U16',
  'torch.uint8': 'U8',
  'torch.bool': 'BOOL',
  'torch.complex64': undefined,
  'torch.complex128': undefined,
};

type Fail = (problem: string) => FormatError;

/** More axes than PyTorch itself takes. */
const MAX_AXES = 64;

/** What an entry of a dict or a set takes, about, in bytes: a pickle can ask for copies again and again. */
const ENTRY_BYTES = 64;

/** Sizes, strides or an offset: integers from 0 up. */
function sizes(item: Item | undefined, what: string, fail: Fail): number[] {
  const list = isList(item) ? item : [item];
  if (list.length > MAX_AXES) throw fail(`${what} has ${list.length} entries; at most ${MAX_AXES} are taken`);
  return list.map((size) => {
    if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
    throw fail(`${what} is not of integers from 0 up`);
  });
}

/** `(storage, offset, shape, strides, ...)`, and the dtype where the storage has none. */
function rebuilt(args: readonly Item[], dtypeName: Item | undefined, budget: Budget, fail: Fail): PyTorchValue {
  const [storage, start, size, stride] = args;
  if (!(storage instanceof Storage)) throw fail('makes a tensor of what is no storage');
  const named = typeof dtypeName === 'string' && Object.hasOwn(DTYPES, dtypeName) ? DTYPES[dtypeName] : undefined;
  const dtype = dtypeName === undefined ? storage.dtype : named;
  if (dtype === undefined) {
    const name = typeof dtypeName === 'string' ? dtypeName : 'none at all';
    throw fail(`makes a tensor of a type that is not understood, ${shown(name)}`);
  }
  if (storage.dtype !== undefined && storage.dtype !== dtype) {
    throw fail(`makes a tensor of ${dtype} of a storage of ${storage.dtype}`);
  }
  const [offset = 0] = sizes(start, "a tensor's offset", fail);
  const shape = sizes(size, "a tensor's shape", fail);
  const strides = sizes(stride, 'the list of strides', fail);
  if (shape.length !== strides.length) {
    throw fail(`makes a tensor of ${shape.length} axes with ${strides.length} strides`);
  }
  return tensorIn(storage, { dtype, offset, shape, strides }, budget, fail);
}

function mapOf([given = []]: readonly Item[], fail: Fail, budget: Budget): Map<Item, Item> {
  const entries = given instanceof Map ? given.size : isList(given) ? given.length : 0;
  budget.spend(entries * ENTRY_BYTES, 'a dict');
  if (given instanceof Map) return new Map<Item, Item>(given);
  const result = new Map<Item, Item>();
  for (const pair of isList(given) ? given : [null]) {
    const [key, value] = isList(pair) && pair.length === 2 ? pair : [];
    if (key === undefined || value === undefined) throw fail('makes a dict of what is no list of pairs');
    result.set(key, value);
  }
  return result;
}

function setOf([given = []]: readonly Item[], fail: Fail, budget: Budget): Set<Item> {
  if (!isList(given)) throw fail('makes a set of what is no list');
  budget.spend(given.length * ENTRY_BYTES, 'a set');
  return new Set(given);
}

/** `_codecs.encode(text, 'latin1')`: how bytes come in protocol 2. */
function encoded([text, encoding]: readonly Item[], fail: Fail, budget: Budget): Uint8Array {
  if (typeof text !== 'string' || encoding !== 'latin1') throw fail('encodes something other than a text to latin1');
  budget.spend(ENTRY_BYTES + 8 * text.length, 'bytes');
  return Uint8Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code > 255) throw fail('encodes a text to latin1 that has other characters');
    return code;
  });
}

function bytesOf([given = new Uint8Array(0)]: readonly Item[], fail: Fail): Uint8Array {
  if (given instanceof Uint8Array) return given;
  throw fail('makes bytes of what are none');
}

/** 'privateuseone' is the longest that PyTorch has. */
const MAX_DEVICE_TYPE = 32;

function deviceName([type, index]: readonly Item[], fail: Fail): string {
  if (typeof type !== 'string') throw fail('names a device by what is no text');
  if (type.length > MAX_DEVICE_TYPE) {
    throw fail(`names a device by a text of ${type.length} characters; at most ${MAX_DEVICE_TYPE} are taken`);
  }
  return typeof index === 'number' ? `${type}:${index}` : type;
}

function parameter([data]: readonly Item[], fail: Fail): PyTorchValue {
  if (data !== undefined && isValue(data) && isTensor(data)) return data;
  throw fail('makes a parameter of what is no tensor');
}

const FUNCTIONS: Readonly<Record<string, (args: readonly Item[], fail: Fail, budget: Budget) => Item>> = {
  'torch._utils._rebuild_tensor': (args, fail, budget) => rebuilt(args, undefined, budget, fail),
  'torch._utils._rebuild_tensor_v2': (args, fail, budget) => rebuilt(args, undefined, budget, fail),
  'torch._utils._rebuild_tensor_v3': (args, fail, budget) => rebuilt(args, args[6] ?? null, budget, fail),
  'torch._utils._rebuild_parameter': parameter,
  'torch.Size': ([given = []], fail) => sizes(given, 'torch.Size', fail),
  'torch.device': deviceName,
  'collections.OrderedDict': mapOf,
  'collections.Counter': mapOf,
  '_codecs.encode': encoded,
  'builtins.set': setOf,
  'builtins.frozenset': setOf,
  'builtins.bytes': bytesOf,
  'builtins.bytearray': bytesOf,
};

/** What a name stands for; undefined where it is refused. Python 2's `__builtin__` is `builtins`. */
export function allowedGlobal(asked: string, budget: Budget): Item | undefined {
  const name = asked.replace(/^__builtin__\./, 'builtins.');
  if (Object.hasOwn(STORAGES, name)) return new StorageClass(name, STORAGES[name]);
  if (Object.hasOwn(DTYPES, name)) return name;
  const call = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  return call && new PickleGlobal(name, (args, fail) => call(args, fail, budget));
}
