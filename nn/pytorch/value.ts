import type { SafetensorsTensor } from '../safetensors.js';

/**
 * What a PyTorch file holds, in JavaScript: None is null; an integer is a number, or a bigint beyond 2^53; lists, tuples and
 * `torch.Size` are arrays; dict, OrderedDict and Counter are Maps; bytes are a Uint8Array; a `torch.device` or dtype is its name,
 * such as 'cuda:0' or 'torch.float16'. As in Python, a list or dict may hold itself, and tensors may share memory.
 */
export type PyTorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PyTorchValue[]
  | ReadonlyMap<PyTorchValue, PyTorchValue>
  | ReadonlySet<PyTorchValue>
  | SafetensorsTensor;

/** Whether a value is a tensor. */
export function isTensor(value: PyTorchValue | undefined): value is SafetensorsTensor {
  return typeof value === 'object' && value !== null && 'dtype' in value;
}

/** Whether a value is a dict. */
export function isDict(value: PyTorchValue | undefined): value is ReadonlyMap<PyTorchValue, PyTorchValue> {
  return value instanceof Map;
}

/** Text from a file as an error message may show it: of `most` characters, and without what a terminal would obey. */
export function shown(text: string, most = 200): string {
  const plain = text.slice(0, most).replaceAll(/[^\x20-\x7e\xa1-\uffff]/g, '?');
  return plain.length < text.length ? `${plain}...` : plain;
}
