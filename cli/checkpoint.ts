import { createHash } from 'node:crypto';
import { extname, join } from 'node:path';
import { readdir, stat } from 'node:fs/promises';
import type { Device } from '../engine/device.js';
import { ArgumentError, BulwarkError, FormatError } from '../engine/errors.js';
import { Generator } from '../engine/random.js';
import { withDefaults, type OptionValues } from '../engine/named-options.js';
import { normalized } from '../nn/models/normalized.js';
import { modelEntry, modelNamed } from '../nn/models/registry.js';
import type { Module } from '../nn/module.js';
import { mapKeys, type KeyMapping, type MapKeysOptions, type NormalizationConstants } from '../nn/pytorch/map-keys.js';
import { isPyTorch, readPyTorch } from '../nn/pytorch/read.js';
import { stateDictOf } from '../nn/pytorch/state-dict-of.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from '../nn/safetensors.js';
import { StateDictError, saveStateDict } from '../nn/state-dict.js';
import { readBytes, writeFileAtomic } from '../node/files.js';
import type { ModelConfig, TrainConfig } from './config.js';
import { RUN_FILES } from './folders.js';
import { UsageError, asUsage } from './errors.js';

/** Builds a model; every random number in it follows from the seed. Throws a `UsageError` for options that it has not. */
export function buildModel({ name, ...config }: ModelConfig, device: Device, seed = 0): Module {
  return asUsage(() =>
    modelNamed(name, {
      ...config,
      device,
      generator: new Generator(seed, { purpose: 'init' }),
      dropoutGenerator: new Generator(seed, { purpose: 'dropout' }),
    }),
  );
}

/** What it takes to build a model anew, as metadata. */
export function metadataOf({ name, classes, inChannels, imageSize, options }: ModelConfig): Record<string, string> {
  return {
    // Loaders of other libraries ask for this key.
    format: 'pt',
    model: name,
    classes: String(classes),
    inChannels: String(inChannels),
    imageSize: String(imageSize),
    options: JSON.stringify(options),
  };
}

/** Writes a model's tensors under PyTorch's names, with what it takes to build the model anew as metadata. */
export async function saveCheckpoint(path: string, model: Module, config: TrainConfig): Promise<void> {
  const metadata = {
    ...metadataOf(config.model),
    dataset: config.dataset.name,
    objective: config.objective.name,
    eps: String(config.attack.eps),
    seed: String(config.seed),
  };
  await writeFileAtomic(path, encodeSafetensors(await saveStateDict(model), metadata));
}

/** A checkpoint that was read but not yet put into a model. */
export interface Checkpoint extends SafetensorsFile {
  /** The file. */
  readonly path: string;
  /** The run's folder, where it was named rather than the file. */
  readonly run: string | undefined;
  /** Of the file, in hexadecimal digits. */
  readonly sha256: string;
}

/** The usual names of files of `torch.save`. */
const PYTORCH_EXTENSIONS: readonly string[] = ['.pt', '.pth', '.ckpt', '.tar'];

/**
 * Reads a checkpoint, a safetensors file or one of `torch.save`, given the file or a run's folder.
 *
 * @param options.key where in a PyTorch file the state dict is
 * @throws ArgumentError where there is no such file, UsageError where the key has to be said, FormatError where it is no such file
 */
export async function readCheckpoint(
  path: string,
  options: { readonly key?: string | undefined } = {},
): Promise<Checkpoint> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? await modelOf(path) : path;
  const bytes = await readBytes(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const isTorch = isPyTorch(bytes) || PYTORCH_EXTENSIONS.includes(extname(file));
  const contents = isTorch ? await readStateDict(bytes, file, options.key) : decodeSafetensors(bytes, file);
  return { ...contents, path: file, run: isFolder ? path : undefined, sha256 };
}

async function readStateDict(bytes: Uint8Array, file: string, key: string | undefined): Promise<SafetensorsFile> {
  const checkpoint = await readPyTorch(bytes, file);
  try {
    return { tensors: Object.fromEntries(stateDictOf(checkpoint, { key })), metadata: {} };
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause;
    throw new UsageError(`${cause.message} (--key of bulwark convert)`, { cause });
  }
}

async function modelOf(folder: string): Promise<string> {
  const names = await readdir(folder);
  if (names.includes(RUN_FILES.model)) return join(folder, RUN_FILES.model);
  const others = names.filter((name) => name.endsWith('.safetensors') && !name.startsWith('.'));
  const instead =
    others.length > 0 ? `; name one of its checkpoints: ${others.map((name) => join(folder, name)).join(', ')}` : '';
  throw new BulwarkError(`${folder}: holds no ${RUN_FILES.model}${instead || ', so it is no finished run'}`);
}

/** What the command line may say of a checkpoint's model. */
export interface ModelOptions {
  readonly model?: string | undefined;
  readonly width?: number | undefined;
  readonly classes?: number | undefined;
}

/**
 * What model a checkpoint is of: what the command line says, or else what its metadata says.
 *
 * @throws UsageError where neither says which model, FormatError where the metadata makes no sense
 */
export function modelConfigOf({ path, metadata }: Checkpoint, { model, width, classes }: ModelOptions): ModelConfig {
  const name = model ?? metadata['model'];
  if (name === undefined) {
    throw new UsageError(`${path}: does not say which model it is of; say so by --model (and --width)`);
  }
  try {
    const { options: usual, imageShape } = modelEntry(name);
    const said = metadata['model'] === name ? optionsIn(path, metadata) : {};
    return {
      name,
      classes: classes ?? numberIn(path, metadata, 'classes', 10),
      inChannels: numberIn(path, metadata, 'inChannels', imageShape[0]),
      imageSize: numberIn(path, metadata, 'imageSize', imageShape[1]),
      options: withDefaults(name, usual, { ...said, ...(width !== undefined && { width }) }),
    };
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause;
    throw new FormatError(`${path}: ${cause.message}; or say which by --model`, { cause });
  }
}

/** The options of the model in a checkpoint's metadata; older ones know a width alone. */
function optionsIn(path: string, metadata: Checkpoint['metadata']): OptionValues {
  const text = metadata['options'];
  if (text === undefined) return 'width' in metadata ? { width: numberIn(path, metadata, 'width', 1) } : {};
  try {
    return Object(JSON.parse(text)) as OptionValues;
  } catch (cause) {
    throw new FormatError(`${path}: its metadata say options '${text}', which is no JSON`, { cause });
  }
}

/** A number above 0 in a checkpoint's metadata, or `usual` where there is none. */
function numberIn(path: string, metadata: Checkpoint['metadata'], key: string, usual: number): number {
  const text = metadata[key];
  if (text === undefined) return usual;
  const value = Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new FormatError(`${path}: its metadata say ${key} '${text}'; expected a number above 0`);
}

/** The radius that a checkpoint was trained for; undefined where it does not say. */
export function epsOf({ metadata }: Checkpoint): number | undefined {
  const value = Number(metadata['eps'] ?? NaN);
  return value >= 0 && value <= 1 ? value : undefined;
}

/**
 * Builds the model of a checkpoint and loads it.
 *
 * @throws BulwarkError naming the file, and the tensors that do not fit
 */
export function loadModel(checkpoint: Checkpoint, config: ModelConfig, device: Device): Module {
  const model = buildModel(config, device);
  try {
    const { tensors, normalization = normalizationIn(checkpoint) } = fit(checkpoint, model, config);
    model.loadStateDict(tensors);
    return normalization ? normalized(model, normalization) : model;
  } catch (cause) {
    model.dispose();
    throw cause;
  }
}

/**
 * A checkpoint's tensors under a model's names.
 *
 * @throws BulwarkError naming the file, with a line for each tensor that is missing, unexpected or of another shape
 */
export function fit(
  { path, tensors }: Checkpoint,
  model: Module,
  config: ModelConfig,
  options: MapKeysOptions = {},
): KeyMapping {
  try {
    return mapKeys(tensors, model, options);
  } catch (cause) {
    if (!(cause instanceof StateDictError)) throw cause;
    throw new BulwarkError(
      [`${path}: is not a checkpoint of ${describeModel(config)}:`, ...differences(cause)].join('\n  '),
      { cause },
    );
  }
}

/** A model in a few words. */
export function describeModel({ name, classes, options }: ModelConfig): string {
  const width = options['width'] ?? 1;
  return `${name} with width ${String(width)} and ${classes} classes`;
}

function differences({ missing, unexpected, mismatched }: StateDictError): string[] {
  return [
    ...mismatched,
    ...missing.map((name) => `lacks ${name}`),
    ...unexpected.map((name) => `has ${name}, which the model has not`),
  ];
}

/** Under which a converted checkpoint says what its network normalises images by: numbers per channel, with commas. */
export const NORMALIZATION_KEYS = { mean: 'normalize.mean', std: 'normalize.std' } as const;

/** What a converted checkpoint says of its network's normalisation. Throws a `FormatError` where that is no numbers. */
function normalizationIn({ path, metadata }: Checkpoint): NormalizationConstants | undefined {
  const [mean, std] = [NORMALIZATION_KEYS.mean, NORMALIZATION_KEYS.std].map((key) =>
    metadata[key]?.split(',').map(Number),
  );
  if (!mean && !std) return undefined;
  if (mean?.length === std?.length && [mean, std].every((values) => values?.every(Number.isFinite))) {
    return { mean: mean ?? [], std: std ?? [] };
  }
  throw new FormatError(
    `${path}: its metadata say ${NORMALIZATION_KEYS.mean} '${metadata[NORMALIZATION_KEYS.mean] ?? ''}' and ` +
      `${NORMALIZATION_KEYS.std} '${metadata[NORMALIZATION_KEYS.std] ?? ''}'; expected a number per channel in both`,
  );
}
