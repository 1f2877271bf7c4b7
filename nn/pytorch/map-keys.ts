import { ArgumentError } from '../../engine/errors.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import { floatsOf, type SafetensorsTensor } from '../safetensors.js';
import { StateDictError } from '../state-dict.js';

/** A model, as far as its names and shapes: every `Module` is one. */
export interface NamedShapes {
  stateDict(): ReadonlyMap<string, { readonly shape: readonly number[] }>;
}

/** Values by name, as `stateDictOf` and `decodeSafetensors` give them. */
export type NamedValues = ReadonlyMap<string, SafetensorsTensor> | Readonly<Record<string, SafetensorsTensor>>;

/** Constants per channel that a network was saved with: it takes `(x - mean) / std`. */
export interface NormalizationConstants {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A name that a state has and a model does without. */
export interface IgnoredKey {
  readonly name: string;
  readonly reason: string;
}

/** A state under a model's names. */
export interface KeyMapping {
  /** What `loadStateDict` takes. */
  readonly tensors: Readonly<Record<string, SafetensorsTensor>>;
  /** What stood before the model's names, wrappers left out: '', or such as 'model.'. */
  readonly prefix: string;
  readonly ignored: readonly IgnoredKey[];
  /** Counters of batches that the state, as an old one, lacks; they are set to 0. */
  readonly supplied: readonly string[];
  /**
   * Found where the state holds a layer that normalises before the network. The network alone, on images as they are, is then not
   * the one that was saved: put the layer before it.
   */
  readonly normalization: NormalizationConstants | undefined;
}

/** Options of {@link mapKeys}. */
export interface MapKeysOptions {
  /** What stands before the model's names, such as 'ema.'; found by itself where it is the only one. */
  readonly prefix?: string | undefined;
}

/** Names that wrappers of PyTorch put before or between a network's own. */
const WRAPPERS: ReadonlySet<string> = new Set([
  // DataParallel and DistributedDataParallel, torch.compile, FullyShardedDataParallel, activation checkpointing.
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
]);

/** A name without the parts that wrappers add. */
export function withoutWrappers(name: string): string {
  return name
    .split('.')
    .filter((part) => !WRAPPERS.has(part))
    .join('.');
}

/**
 * Maps a state onto a model's names: without the parts that wrappers add (`module.`, `_orig_mod.`), and without a prefix that all
 * have (`model.`, `1.`). Left out are normalisation constants (which are returned), counters of batches that the model does not
 * keep, and the `sub_block1` that TRADES' WideResNet has and never uses.
 *
 * @throws StateDictError listing every missing and unexpected name and every shape that differs, ArgumentError where the state
 * holds the model under several prefixes and `prefix` does not say which
 */
export function mapKeys(state: NamedValues, model: NamedShapes, options: MapKeysOptions = {}): KeyMapping {
  const targets = model.stateDict();
  const entries: ReadonlyMap<string, SafetensorsTensor> = state instanceof Map ? state : new Map(Object.entries(state));
  // Names stay as they are where two would become the same.
  const plain = [targets, entries].every(areDistinct) ? withoutWrappers : (name: string) => name;
  const byPlain = new Map([...targets.keys()].map((name) => [plain(name), name]));
  const prefix = options.prefix ?? prefixOf([...entries.keys()].map(plain), byPlain);

  const given = new Map<string, SafetensorsTensor>();
  const others = new Map<string, SafetensorsTensor>();
  for (const [name, tensor] of entries) {
    const target = plain(name).startsWith(prefix) ? byPlain.get(plain(name).slice(prefix.length)) : undefined;
    if (target === undefined) others.set(name, tensor);
    else given.set(target, tensor);
  }
  const { constants, ignored, unexpected } = sorted(others, targets);
  const absent = [...targets.keys()].filter((name) => !given.has(name));
  const supplied = absent.filter((name) => COUNTER.test(name));
  const missing = absent.filter((name) => !COUNTER.test(name));
  const mismatched = [...targets].flatMap(([name, { shape: expected }]) => {
    const { shape } = given.get(name) ?? { shape: expected };
    return sameShape(shape, expected)
      ? []
      : [`${name} has shape ${formatShape(shape)}, expected ${formatShape(expected)}`];
  });
  if (missing.length + unexpected.length + mismatched.length > 0) {
    throw new StateDictError('mapKeys', { missing, unexpected }, mismatched);
  }
  for (const name of supplied) given.set(name, { dtype: 'I64', shape: [], data: BigInt64Array.of(0n) });
  return {
    tensors: Object.fromEntries(given),
    prefix,
    ignored,
    supplied,
    normalization: constants,
  };
}

/** Batch norm's, which PyTorch has had since version 0.4.1. */
const COUNTER = /(^|\.)num_batches_tracked$/;

/** Whether names stay different without wrappers. */
function areDistinct(named: ReadonlyMap<string, unknown>): boolean {
  return new Set([...named.keys()].map(withoutWrappers)).size === named.size;
}

/** What stands before the most of the model's names. */
function prefixOf(names: readonly string[], targets: ReadonlyMap<string, string>): string {
  const counts = new Map<string, number>([['', 0]]);
  for (const name of names) {
    for (let at = 0; at >= 0; at = nextPart(name, at)) {
      if (targets.has(name.slice(at))) counts.set(name.slice(0, at), (counts.get(name.slice(0, at)) ?? 0) + 1);
    }
  }
  const needed = [...targets.keys()].filter((name) => !COUNTER.test(name));
  const given = new Set(names);
  const whole = [...counts.keys()].filter((prefix) => needed.every((name) => given.has(prefix + name)));
  if (whole.length > 1) {
    const list = whole.map((prefix) => `'${prefix}'`).join(', ');
    throw new ArgumentError(`mapKeys: the state holds the model several times; say which by its prefix: ${list}`);
  }
  const [best = ''] = [...counts].sort(([a, m], [b, n]) => n - m || a.length - b.length).map(([prefix]) => prefix);
  return whole[0] ?? best;
}

/** Where the next part of a dotted name begins; -1 behind the last. */
function nextPart(name: string, at: number): number {
  const dot = name.indexOf('.', at);
  return dot < 0 ? -1 : dot + 1;
}

interface Sorted {
  readonly constants: NormalizationConstants | undefined;
  readonly ignored: readonly IgnoredKey[];
  readonly unexpected: readonly string[];
}

/** Sorts what the model has no names for. */
function sorted(others: ReadonlyMap<string, SafetensorsTensor>, targets: ReadonlyMap<string, unknown>): Sorted {
  const usesSubBlock = [...targets.keys()].some((name) => SUB_BLOCK.test(name));
  const found = normalizationIn(others);
  const reasonOf = (name: string): string | undefined => {
    if (found?.names.includes(name)) return 'constants of a normalisation before the network';
    if (COUNTER.test(name)) return 'a counter of batches, which the model does not keep';
    if (name === 'n_averaged') return 'a counter of averaged models';
    if (SUB_BLOCK.test(name) && !usesSubBlock) return "a block that TRADES' WideResNet has and never uses";
    return undefined;
  };
  const reasons = [...others.keys()].map((name) => ({ name, reason: reasonOf(name) }));
  return {
    constants: found?.constants,
    ignored: reasons.flatMap(({ name, reason }) => (reason === undefined ? [] : [{ name, reason }])),
    unexpected: reasons.flatMap(({ name, reason }) => (reason === undefined ? [name] : [])),
  };
}

const SUB_BLOCK = /(^|\.)sub_block1\./;

/** The names under which normalisation layers keep what they subtract and what they divide by. */
const CONSTANTS = [
  ['mean', 'std'],
  ['mu', 'sigma'],
  ['mu', 'std'],
] as const;

/** The first pair of constants per channel among some tensors. */
function normalizationIn(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
): { readonly names: readonly string[]; readonly constants: NormalizationConstants } | undefined {
  for (const [name, tensor] of tensors) {
    for (const [first, second] of CONSTANTS) {
      const parent = name === first ? '' : name.endsWith(`.${first}`) ? name.slice(0, -first.length) : undefined;
      const other = parent === undefined ? undefined : tensors.get(parent + second);
      const [mean, std] = [perChannel(tensor), other && perChannel(other)];
      const isPair = mean && std && mean.length === std.length && std.every((value) => value > 0);
      if (isPair) return { names: [name, `${parent}${second}`], constants: { mean, std } };
    }
  }
  return undefined;
}

const FLOATS: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16']);

/** The values of a tensor with one axis longer than 1 at most; undefined where it is another. */
function perChannel(tensor: SafetensorsTensor): number[] | undefined {
  if (!FLOATS.has(tensor.dtype) || tensor.shape.filter((size) => size !== 1).length > 1) return undefined;
  const values = Array.from(floatsOf(tensor));
  return values.length > 0 && values.every(Number.isFinite) ? values : undefined;
}
