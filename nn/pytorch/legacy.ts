/**
 * The format of `torch.save` before PyTorch 1.6: five pickles one after another (a magic number, the protocol's version, the
 * machine, the object, the keys of its storages), then per key the count of elements as a 64-bit integer, and the elements.
 */
import { FormatError } from '../../engine/errors.js';
import type { Budget } from './budget.js';
import { allowedGlobal } from './globals.js';
import { isList, isValue, readPickle, type Item, type PickleHooks } from './pickle.js';
import { PickleBytes } from './pickle-bytes.js';
import { secondPickle } from './signatures.js';
import { storageRequest, type StorageRequest } from './storages.js';
import { Storage } from './tensor.js';
import { shown, type PyTorchValue } from './value.js';

const VERSION = 1001;

/** The object of such a file; throws as `readPyTorch` does. */
export function readLegacy(bytes: Uint8Array, file: string, budget: Budget): PyTorchValue {
  const place = (at: number): string => `${file}: byte ${at}`;
  const plain: PickleHooks = {
    global: (name) => allowedGlobal(name, budget),
    persistent: (_, fail) => {
      throw fail('asks for a storage where there is none');
    },
    place,
  };
  const start = secondPickle(bytes);
  const version = readPickle(bytes, start, plain);
  if (version.value !== VERSION) {
    throw new FormatError(`${place(start)}: the protocol's version is not ${VERSION}`);
  }
  const machine = readPickle(bytes, version.end, plain);
  if (machine.value instanceof Map && machine.value.get('little_endian') === false) {
    throw new FormatError(`${place(version.end)}: its byte order is big; expected little`);
  }
  // The storages come behind the pickle that asks for them: it is read once to find them, and again with them.
  const requests = new Map<string, StorageRequest>();
  const first = readPickle(bytes, machine.end, { ...plain, persistent: requested(requests) });
  const keys = readPickle(bytes, first.end, plain);
  const storages = readStorages(bytes, keys, { requests, budget, place });
  const { value } = readPickle(bytes, machine.end, {
    ...plain,
    persistent: (id, fail) => {
      const { key } = storageRequest(id, fail);
      const storage = storages.get(key);
      if (storage) return storage;
      throw fail(`asks for the storage '${shown(key)}', which the file does not have`);
    },
  });
  if (isValue(value)) return value;
  throw new FormatError(`${file}: what it holds is not made of values alone, but of classes or storages too`);
}

/** Notes the storages that are asked for. */
function requested(requests: Map<string, StorageRequest>): PickleHooks['persistent'] {
  return (id, fail) => {
    const request = storageRequest(id, fail);
    const { dtype, count } = requests.get(request.key) ?? request;
    if (dtype !== request.dtype || count !== request.count) {
      throw fail(`asks for the storage '${shown(request.key)}' in two ways`);
    }
    requests.set(request.key, request);
    return new Storage(dtype, count, undefined);
  };
}

interface StorageSource {
  readonly requests: ReadonlyMap<string, StorageRequest>;
  readonly budget: Budget;
  readonly place: (at: number) => string;
}

function readStorages(
  bytes: Uint8Array,
  { value: keys, end }: { readonly value: Item; readonly end: number },
  { requests, budget, place }: StorageSource,
): Map<string, Storage> {
  if (!isList(keys)) throw new FormatError(`${place(end)}: the pickle before is not the list of storages`);
  const storages = new Map<string, Storage>();
  let at = end;
  for (const key of keys) {
    const request = typeof key === 'string' ? requests.get(key) : undefined;
    if (!request) throw new FormatError(`${place(at)}: has a storage that nothing asks for`);
    const count = new PickleBytes(bytes, at, { place }).u64();
    if (count !== request.count || storages.has(request.key)) {
      throw new FormatError(
        `${place(at)}: the storage '${shown(request.key)}' has ${count} elements, or comes twice; ${request.count} are asked for, once`,
      );
    }
    const start = at + 8;
    at = start + request.bytes;
    if (at > bytes.length) {
      throw new FormatError(
        `${place(bytes.length)}: the file ends within the storage '${shown(request.key)}', bytes ${start} to ${at}`,
      );
    }
    budget.spend(request.bytes, 'a storage');
    storages.set(request.key, new Storage(request.dtype, count, new Uint8Array(bytes.subarray(start, at)).buffer));
  }
  if (at !== bytes.length) {
    throw new FormatError(`${place(at)}: the last storage ends here, but the file at byte ${bytes.length}`);
  }
  return storages;
}
