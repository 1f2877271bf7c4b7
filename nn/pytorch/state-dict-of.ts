import { ArgumentError, FormatError } from '../../engine/errors.js';
import type { SafetensorsTensor } from '../safetensors.js';
import type { PyTorchCheckpoint } from './read.js';
import { isDict, isTensor, shown, type PyTorchValue } from './value.js';

/** Options of {@link stateDictOf}. */
export interface StateDictOfOptions {
  /** Where in the file the state dict is, such as 'state_dict' or 'ema.model'; found by itself where there is only one. */
  readonly key?: string | undefined;
}

/** How many dicts deep a state dict is looked for, and under keys of how many characters. */
const MAX_DEPTH = 3;
const MAX_KEY = 1000;

/**
 * The state dict in a checkpoint: a dict that holds tensors under texts and nothing else. It may be the whole file, or stand under a
 * key such as `state_dict`, `model_state_dict`, `model`, `net` or `ema`.
 *
 * @throws FormatError where there is none, or two under the same key; ArgumentError naming the keys where there are several and `key` does
 * not say which, or where `key` is not one of them
 */
export function stateDictOf(
  { name, value }: PyTorchCheckpoint,
  { key }: StateDictOfOptions = {},
): ReadonlyMap<string, SafetensorsTensor> {
  const found = new Map<string, ReadonlyMap<string, SafetensorsTensor>>();
  collect(value, '', { file: name, found, seen: new Set() });
  const names = listed([...found.keys()].map((path) => `'${shown(path)}'`));
  if (key !== undefined) {
    const chosen = found.get(key);
    if (chosen) return chosen;
    throw new ArgumentError(
      `${name}: has no state dict under the key '${shown(key)}'; ${names ? `those that there are: ${names}` : 'there is none at all'}`,
    );
  }
  const [only, ...others] = found.values();
  if (only && others.length === 0) return only;
  if (only) throw new ArgumentError(`${name}: has several state dicts; say which by its key: ${names}`);
  throw new FormatError(`${name}: has no state dict, a dict of tensors by name; it holds ${described(value)}`);
}

interface Collected {
  readonly file: string;
  readonly found: Map<string, ReadonlyMap<string, SafetensorsTensor>>;
  /** Dicts that were looked at: a file may hold one in many places. */
  readonly seen: Set<PyTorchValue>;
}

/** Adds the state dicts in a value by their keys, joined by dots. */
function collect(value: PyTorchValue, path: string, collected: Collected, depth = 0): void {
  if (!isDict(value) || collected.seen.has(value)) return;
  collected.seen.add(value);
  const tensors = asStateDict(value);
  if (tensors) {
    // A key with a dot in it reads as a key within a key.
    if (collected.found.has(path)) {
      throw new FormatError(
        `${collected.file}: has two state dicts under the key '${shown(path)}'; save the one that is meant apart`,
      );
    }
    collected.found.set(path, tensors);
  } else if (depth < MAX_DEPTH) {
    for (const [key, inner] of value) {
      if (typeof key === 'string' && key.length <= MAX_KEY)
        collect(inner, path === '' ? key : `${path}.${key}`, collected, depth + 1);
    }
  }
}

function asStateDict(dict: ReadonlyMap<PyTorchValue, PyTorchValue>): Map<string, SafetensorsTensor> | undefined {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [key, value] of dict) {
    if (typeof key !== 'string' || !isTensor(value)) return undefined;
    tensors.set(key, value);
  }
  return tensors.size > 0 ? tensors : undefined;
}

const LISTED = 8;

function described(value: PyTorchValue): string {
  if (!isDict(value)) return isTensor(value) ? 'a single tensor' : 'no dict';
  const keys = [...value.keys()].map((key) => (typeof key === 'string' ? `'${shown(key)}'` : 'a key that is no text'));
  return `a dict of ${listed(keys) || 'nothing'}`;
}

/** The first of some keys, and how many more there are. */
function listed(keys: readonly string[]): string {
  const rest = keys.length - LISTED;
  return `${keys.slice(0, LISTED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
