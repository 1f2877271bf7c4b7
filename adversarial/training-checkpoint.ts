import type { VariantEntries } from '../engine/variants.js';
import { FormatError } from '../engine/errors.js';
import { Generator, type GeneratorState } from '../engine/random.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  floatsOf,
  type SafetensorsDType,
  type SafetensorsTensor,
} from '../nn/safetensors.js';
import type { UniformWatchState } from './uniform-watch.js';

/** The best validation of a run so far. */
export interface BestValidation {
  /** Accuracy under the validation's attack, 0 to 1. */
  readonly accuracy: number;
  /** After which step. */
  readonly step: number;
  /** Validations since then that were no better. */
  readonly since: number;
}

/**
 * Everything that a run needs to go on with the bits that it would have had: the order of the examples and the starts of attacks are
 * functions of the seed and the step.
 */
export interface TrainingCheckpoint {
  /** Steps done. */
  readonly step: number;
  /** By the part that they belong to: `model.<name>`, `optimizer.<name>`, `average.<name>`, `memory.values`. */
  readonly tensors: Readonly<Record<string, SafetensorsTensor>>;
  /** Where the streams of the model's dropout stand. */
  readonly generators: readonly GeneratorState[];
  /** The variants of kernels that measurement chose: another variant rounds otherwise. */
  readonly variants: VariantEntries;
  /** The fingerprint of the dataset that the run learns from. */
  readonly dataset?: string | undefined;
  readonly best?: BestValidation | undefined;
  /** What the run has warned of so far. */
  readonly warnings?: readonly string[] | undefined;
  /** Whether the run has left uniform predictions, as far as was seen. */
  readonly uniform?: UniformWatchState | undefined;
  /** Whether the validation after this step is still to be done: the run was ended in the middle of it. */
  readonly owesValidation?: boolean | undefined;
}

/** What the metadata of a checkpoint's file call it; another version is refused. */
const FORMAT = 'bulwark-training-1';

/** A checkpoint as the bytes of one safetensors file; equal checkpoints give equal bytes. */
export function encodeTrainingCheckpoint({ tensors, ...rest }: TrainingCheckpoint): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(tensors, { format: FORMAT, run: JSON.stringify(rest) });
}

/**
 * Reads what {@link encodeTrainingCheckpoint} gave; `file` names it in errors.
 *
 * @throws FormatError where it is cut short, broken, or a file of something else
 */
export function decodeTrainingCheckpoint(bytes: Uint8Array, file: string): TrainingCheckpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  if (metadata['format'] !== FORMAT) {
    const found = metadata['format'] ?? 'nothing';
    throw new FormatError(`${file}: its metadata say format ${found}; the checkpoint of a run says ${FORMAT}`);
  }
  let rest: Partial<Record<keyof TrainingCheckpoint, unknown>>;
  try {
    rest = Object(JSON.parse(metadata['run'] ?? '')) as typeof rest;
  } catch (cause) {
    throw new FormatError(`${file}: what its metadata say of the run is no JSON`, { cause });
  }
  const { step, generators, variants, dataset, best, warnings, uniform, owesValidation } = rest;
  if (!Number.isSafeInteger(step) || Number(step) < 0 || !Array.isArray(generators) || !isRecord(variants)) {
    throw new FormatError(`${file}: its metadata lack the step, the generators or the variants of a run`);
  }
  if (best !== undefined && !isBest(best)) {
    throw new FormatError(`${file}: what its metadata say of the best validation is no accuracy with a step`);
  }
  return {
    step: Number(step),
    tensors,
    generators: generators.map((state, index) => generatorState(state, `${file}: generator ${index}`)),
    variants: variants as VariantEntries,
    dataset: typeof dataset === 'string' ? dataset : undefined,
    best,
    warnings: Array.isArray(warnings) ? warnings.map(String) : undefined,
    uniform: isUniformState(uniform) ? uniform : undefined,
    owesValidation: owesValidation === true || undefined,
  };
}

/** The name of the first tensor that holds a number that is not finite, if there is one. */
export function firstNotFinite(tensors: Readonly<Record<string, SafetensorsTensor>>): string | undefined {
  const found = Object.entries(tensors).find(([, tensor]) => {
    return FLOATS.has(tensor.dtype) && !floatsOf(tensor).every((value) => Number.isFinite(value));
  });
  return found?.[0];
}

const FLOATS: ReadonlySet<SafetensorsDType> = new Set(['F64', 'F32', 'F16', 'BF16']);

/** The entries of a part, under their own names. */
export function partOf<T>(tensors: Readonly<Record<string, T>>, part: string): Record<string, T> {
  const prefix = `${part}.`;
  return Object.fromEntries(
    Object.entries(tensors).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  );
}

/** Entries as those of a part. */
export function asPart<T>(part: string, entries: Iterable<readonly [string, T]>): [string, T][] {
  return Array.from(entries, ([name, value]): [string, T] => [`${part}.${name}`, value]);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isUniformState(value: unknown): value is UniformWatchState {
  if (!isRecord(value) || typeof value['spoken'] !== 'boolean') return false;
  const { latest } = value;
  return Array.isArray(latest) && latest.every((each) => typeof each === 'number');
}

function isBest(value: unknown): value is BestValidation {
  return isRecord(value) && ['accuracy', 'step', 'since'].every((name) => typeof value[name] === 'number');
}

function generatorState(state: unknown, what: string): GeneratorState {
  try {
    return Generator.fromState(Object(state) as GeneratorState).state();
  } catch (cause) {
    throw new FormatError(`${what} is no state of a generator`, { cause });
  }
}
