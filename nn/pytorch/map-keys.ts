import { isFloat, type DType } from '../../engine/dtype.js';
import { ArgumentError } from '../../engine/errors.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import { floatsOf, type SafetensorsTensor } from '../safetensors.js';
import { FLOATS, StateDictError, misfitOf } from '../state-dict.js';
import { areDeepMinds, fromDeepMinds } from './deepmind-names.js';
import { shown } from './value.js';

/** What a model has under a name. */
interface Target {
  readonly shape: readonly number[];
  /** Any unless told. */
  readonly dtype?: DType;
}

/** A model, as far as its names, shapes and types: every `Module` is one. */
export interface NamedShapes {
  stateDict(): ReadonlyMap<string, Target>;
  /** Its parts, itself among them: a `WideResNet` says how it pads. */
  modules?(): Iterable<object>;
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
  /** Whose names the state has, where they are not the model's. */
  readonly layout: 'deepmind' | undefined;
}

/** Options of {@link mapKeys}. */
export interface MapKeysOptions {
  /**
   * What stands before the model's names, such as 'ema.'; found by itself where it is the only one. With it, names outside are left
   * out, but for the constants of a normalisation.
   */
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
 * have (`model.`, `1.`); the names of DeepMind's wide residual networks become those of `WideResNet`. Left out are normalisation
 * constants (which are returned), counters of batches that the model does not keep, and the `sub_block1` that TRADES' WideResNet has
 * and never uses. Counters that averaging has made floats become integers again.
 *
 * @throws StateDictError listing every missing and unexpected name and every shape and type that differs; ArgumentError where the state
 * holds the model under several prefixes and `prefix` does not say which, where nothing is under `prefix`, or where the names are
 * DeepMind's and the model's convolutions pad in another way
 */
export function mapKeys(state: NamedValues, model: NamedShapes, options: MapKeysOptions = {}): KeyMapping {
  const targets = model.stateDict();
  const entries: ReadonlyMap<string, SafetensorsTensor> = state instanceof Map ? state : new Map(Object.entries(state));
  // Names stay as they are where two would become the same.
  const unwrapped = [targets, entries].every(areDistinct) ? withoutWrappers : (name: string) => name;
  const byPlain = new Map([...targets.keys()].map((name) => [unwrapped(name), name]));
  const names = [...entries.keys()].map(unwrapped);
  const prefix = options.prefix === undefined ? undefined : prefixIn(names, unwrapped, options.prefix);
  const asked = names.filter((name) => name.startsWith(prefix ?? ''));
  const isDeepMinds = areDeepMinds(asked) && new Set(names.map(fromDeepMinds)).size === names.length;
  const plain = (name: string): string => (isDeepMinds ? fromDeepMinds(unwrapped(name)) : unwrapped(name));
  const place = placeOf([...entries.keys()].map(plain), byPlain, prefix);

  const given = new Map<string, SafetensorsTensor>();
  const others = new Map<string, SafetensorsTensor>();
  for (const [name, tensor] of entries) {
    const own = plain(name);
    const target = own.startsWith(place.prefix) ? byPlain.get(own.slice(place.prefix.length)) : undefined;
    if (target === undefined) others.set(name, tensor);
    else given.set(target, isInteger(targets.get(target)) && COUNTER.test(target) ? asCounter(tensor) : tensor);
  }
  const isOutside = (name: string): boolean => place.isOutside(plain(name));
  const { constants, ignored, unexpected } = sorted(others, targets, [...entries.keys()].map(plain), {
    prefix: place.prefix,
    plain,
    isOutside,
  });
  const absent = [...targets.keys()].filter((name) => !given.has(name));
  const supplied = absent.filter((name) => COUNTER.test(name));
  const missing = absent.filter((name) => !COUNTER.test(name));
  const mismatched = [...targets].flatMap(([name, target]) => {
    const value = given.get(name);
    const problem = value && differenceOf(target, value);
    return problem === undefined ? [] : [`${name} ${problem}`];
  });
  if (missing.length + unexpected.length + mismatched.length > 0) {
    throw new StateDictError('mapKeys', { missing, unexpected }, mismatched);
  }
  if (isDeepMinds) checkDeepMinds(model, given);
  for (const name of supplied) given.set(name, { dtype: 'I64', shape: [], data: BigInt64Array.of(0n) });
  return {
    tensors: Object.fromEntries(given),
    prefix: place.prefix,
    ignored,
    supplied,
    normalization: constants,
    layout: isDeepMinds ? 'deepmind' : undefined,
  };
}

/** Batch norm's, which PyTorch has had since version 0.4.1. */
const COUNTER = /(^|\.)num_batches_tracked$/;

/** Whether names stay different without wrappers. */
function areDistinct(named: ReadonlyMap<string, unknown>): boolean {
  return new Set([...named.keys()].map(withoutWrappers)).size === named.size;
}

/** A prefix as names have it: without wrappers, and with the dot at its end that may be left out. */
function prefixIn(names: readonly string[], unwrapped: (name: string) => string, asked: string): string {
  if (asked === '') return asked;
  const found = [`${asked}.`, asked].map(unwrapped).find((prefix) => names.some((name) => name.startsWith(prefix)));
  if (found !== undefined) return found;
  throw new ArgumentError(`mapKeys: the state has no name that begins with the prefix '${shown(asked)}'`);
}

/** The first convolution of a `WideResNet`, itself in whatever. */
const STEM = /^(?!.*\bblock\d).*\bconv1\.weight$/;

/** Throws an `ArgumentError` where a model that has the names of DeepMind's networks would compute another function than theirs. */
function checkDeepMinds(model: NamedShapes, given: ReadonlyMap<string, SafetensorsTensor>): void {
  const pads = [...(model.modules?.() ?? [])].map((part) => ('padding' in part ? part.padding : undefined));
  if (pads.includes('symmetric')) {
    throw new ArgumentError(
      "mapKeys: the state has the names of DeepMind's code, whose convolutions of stride 2 pad at the right and bottom alone: make the " +
        "model with padding 'same' (--set padding=same of bulwark convert), and with activation 'silu' where it was trained so",
    );
  }
  const stem = [...given].find(([name]) => STEM.test(name))?.[1];
  if (stem?.shape[1] === 1) {
    throw new ArgumentError(
      "mapKeys: DeepMind's networks for grey images take them with zeros around them, as 32 x 32, which no model here does",
    );
  }
}

function isInteger(target: Target | undefined): boolean {
  return target?.dtype !== undefined && !isFloat(target.dtype);
}

/** A counter of batches as integers where averaging has made it floats: batch norm with a momentum does not ask for it. */
function asCounter(tensor: SafetensorsTensor): SafetensorsTensor {
  if (!FLOATS.has(tensor.dtype)) return tensor;
  const values = Array.from(tensor.dtype === 'F64' ? tensor.data : floatsOf(tensor));
  if (!values.every(Number.isFinite)) return tensor;
  return { dtype: 'I64', shape: tensor.shape, data: BigInt64Array.from(values, (value) => BigInt(Math.round(value))) };
}

/** How a value does not fit; undefined where it does. */
function differenceOf({ shape, dtype }: Target, value: SafetensorsTensor): string | undefined {
  if (!sameShape(value.shape, shape)) return `has shape ${formatShape(value.shape)}, expected ${formatShape(shape)}`;
  return dtype && misfitOf(dtype, value);
}

/** Where the model is in a state. */
interface Place {
  /** What stands before the model's names. */
  readonly prefix: string;
  /** Whether a name is none of the part of the state that was asked for. */
  readonly isOutside: (name: string) => boolean;
}

/** The place of a prefix that is asked for, or else of the one before the most of the model's names. */
function placeOf(names: readonly string[], targets: ReadonlyMap<string, string>, asked: string | undefined): Place {
  const counts = new Map<string, number>([['', 0]]);
  const longest = [...targets.keys()].reduce((most, name) => Math.max(most, name.length), 0);
  for (const name of names) {
    for (let at = 0; at >= 0; at = nextPart(name, at)) {
      if (name.length - at > longest || !targets.has(name.slice(at))) continue;
      counts.set(name.slice(0, at), (counts.get(name.slice(0, at)) ?? 0) + 1);
    }
  }
  const needed = [...targets.keys()].filter((name) => !COUNTER.test(name));
  const given = new Set(names);
  const whole = [...counts.keys()].filter((prefix) => needed.every((name) => given.has(prefix + name)));
  if (asked !== undefined) {
    const deeper = whole.filter((prefix) => prefix.length > asked.length);
    const isOutside = (name: string): boolean =>
      !name.startsWith(asked) || deeper.some((prefix) => name.startsWith(prefix));
    return { prefix: asked, isOutside };
  }
  if (whole.length > 1) {
    const list = whole.map((prefix) => `'${shown(prefix)}'`).join(', ');
    throw new ArgumentError(
      `mapKeys: the state holds the model several times; say which by its prefix (--prefix of bulwark convert): ${list}`,
    );
  }
  const [best = ''] = [...counts].sort(([a, m], [b, n]) => n - m || a.length - b.length).map(([prefix]) => prefix);
  return { prefix: whole[0] ?? best, isOutside: () => false };
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

/** Sorts what the model has no names for; `names` are all of the state's, in plain. */
function sorted(
  others: ReadonlyMap<string, SafetensorsTensor>,
  targets: ReadonlyMap<string, unknown>,
  names: readonly string[],
  place: Place & { readonly plain: (name: string) => string },
): Sorted {
  const usesSubBlock = [...targets.keys()].some((name) => SUB_BLOCK.test(name));
  const found = normalizationIn(
    others,
    (name) => sharedParts(place.plain(name), place.prefix),
    (parent) => {
      const own = place.plain(parent);
      // A pair is a layer, beside what it is before, or it stands among the network's own: either way the network has to be this one.
      const isLayer = own !== '' && names.filter((name) => name.startsWith(own)).length <= 2;
      const before = isLayer ? own.replace(/[^.]*\.$/, '') : own;
      return place.prefix.startsWith(before) || (before.startsWith(place.prefix) && !place.isOutside(parent));
    },
  );
  const reasonOf = (name: string): string | undefined => {
    if (found?.names.includes(name)) return 'constants of a normalisation before the network';
    if (place.isOutside(name)) return 'outside the prefix';
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
  // Engstrom et al.'s `robustness`.
  ['new_mean', 'new_std'],
] as const;

/** With how many parts two dotted names begin alike. */
function sharedParts(a: string, b: string): number {
  const [first, second] = [a.split('.'), b.split('.')];
  const differs = first.findIndex((part, index) => part !== second[index]);
  return differs < 0 ? first.length : differs;
}

/** The pair of constants per channel before the network that is nearest; the first of those that are as near. */
function normalizationIn(
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  nearness: (name: string) => number,
  isBefore: (parent: string) => boolean,
): { readonly names: readonly string[]; readonly constants: NormalizationConstants } | undefined {
  const nearest = [...tensors].sort(([a], [b]) => nearness(b) - nearness(a));
  for (const [name, tensor] of nearest) {
    for (const [first, second] of CONSTANTS) {
      const parent = name === first ? '' : name.endsWith(`.${first}`) ? name.slice(0, -first.length) : undefined;
      const other = parent === undefined ? undefined : tensors.get(parent + second);
      const [mean, std] = [perChannel(tensor), other && perChannel(other)];
      const isPair = mean && std && mean.length === std.length && std.every((value) => value > 0);
      if (isPair && parent !== undefined && isBefore(parent))
        return { names: [name, `${parent}${second}`], constants: { mean, std } };
    }
  }
  return undefined;
}

/** The values of a tensor with one axis longer than 1 at most; undefined where it is another. */
function perChannel(tensor: SafetensorsTensor): number[] | undefined {
  if (!FLOATS.has(tensor.dtype) || tensor.shape.filter((size) => size !== 1).length > 1) return undefined;
  const values = Array.from(floatsOf(tensor));
  return values.length > 0 && values.every(Number.isFinite) ? values : undefined;
}
