import type { FormatError } from '../../engine/errors.js';
import type { SafetensorsDType } from '../safetensors.js';
import { StorageClass } from './globals.js';
import { isList, type Item } from './pickle.js';
import { ELEMENT_BYTES } from './tensor.js';

/** A storage as a pickle asks for it. */
export interface StorageRequest {
  readonly key: string;
  readonly dtype: SafetensorsDType | undefined;
  /** Elements, or bytes where there is no dtype. */
  readonly count: number;
  readonly bytes: number;
}

/** Reads the persistent id of a storage: `('storage', class, key, device, count)`, in old files with a view behind it. */
export function storageRequest(id: Item, fail: (problem: string) => FormatError): StorageRequest {
  if (!isList(id)) throw fail('asks for what is no storage');
  const [kind, type, key, , count, view = null] = id;
  if (kind !== 'storage' || !(type instanceof StorageClass) || typeof key !== 'string') {
    throw fail('asks for what is no storage, or one of an unknown class');
  }
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) {
    throw fail('asks for a storage whose count of elements is not an integer from 0 up');
  }
  if (view !== null) throw fail('asks for a view of a storage, which PyTorch has not written since version 0.4');
  const width = type.dtype === undefined ? 1 : ELEMENT_BYTES[type.dtype];
  return { key, dtype: type.dtype, count, bytes: count * width };
}
