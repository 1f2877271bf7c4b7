/**
 * Files of models that say which model they are of: safetensors, whose metadata hold what it takes to build the model anew.
 */
import { ArgumentError, BulwarkError, FormatError } from '../engine/errors.js';
import { withDefaults, type OptionValues } from '../engine/named-options.js';
import { normalized } from './models/normalized.js';
import { modelEntry, modelNamed, type ModelSource } from './models/registry.js';
import type { Module } from './module.js';
import { mapKeys, type KeyMapping, type MapKeysOptions, type NormalizationConstants } from './pytorch/map-keys.js';
import type { SafetensorsFile } from './safetensors.js';
import { StateDictError } from './state-dict.js';

/** What it takes to build a model anew. */
export interface ModelDescription {
  /** As `modelNamed` has it. */
  readonly name: string;
  readonly classes: number;
  readonly inChannels: number;
  readonly imageSize: number;
  readonly options: OptionValues;
}

/** The contents of a file, with its name for errors. */
export interface ModelFile extends SafetensorsFile {
  readonly path: string;
}

/** A description as metadata of a safetensors file. */
export function modelMetadata({
  name,
  classes,
  inChannels,
  imageSize,
  options,
}: ModelDescription): Record<string, string> {
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

/** What is known of a file's model from elsewhere: it goes before what the file says. */
export interface KnownModel {
  readonly model?: string | undefined;
  readonly width?: number | undefined;
  readonly classes?: number | undefined;
}

/**
 * Which model a file is of: what is known, or else what its metadata say.
 *
 * @throws FormatError where neither says which, or the metadata make no sense
 */
export function modelDescriptionOf(
  { path, metadata }: Pick<ModelFile, 'path' | 'metadata'>,
  { model, width, classes }: KnownModel = {},
): ModelDescription {
  const name = model ?? metadata['model'];
  if (name === undefined) throw new FormatError(`${path}: does not say which model it is of`);
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
    throw new FormatError(`${path}: ${cause.message}`, { cause });
  }
}

/** The options of the model in a file's metadata; older ones know a width alone. */
function optionsIn(path: string, metadata: ModelFile['metadata']): OptionValues {
  const text = metadata['options'];
  if (text === undefined) return 'width' in metadata ? { width: numberIn(path, metadata, 'width', 1) } : {};
  try {
    return Object(JSON.parse(text)) as OptionValues;
  } catch (cause) {
    throw new FormatError(`${path}: its metadata say options '${text}', which is no JSON`, { cause });
  }
}

/** A number above 0 in a file's metadata, or `usual` where there is none. */
function numberIn(path: string, metadata: ModelFile['metadata'], key: string, usual: number): number {
  const text = metadata[key];
  if (text === undefined) return usual;
  const value = Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new FormatError(`${path}: its metadata say ${key} '${text}'; expected a number above 0`);
}

/**
 * Builds the model of a file and loads it, behind the normalisation that the file says, if any.
 *
 * @throws BulwarkError naming the file, and the tensors that do not fit
 */
export function modelOfFile(file: ModelFile, description: ModelDescription, source: ModelSource): Module {
  const { name, ...rest } = description;
  const model = modelNamed(name, { ...rest, ...source });
  try {
    const { tensors, normalization = normalizationIn(file) } = fitTensors(file, model, description);
    model.loadStateDict(tensors);
    return normalization ? normalized(model, normalization) : model;
  } catch (cause) {
    model.dispose();
    throw cause;
  }
}

/**
 * A file's tensors under a model's names.
 *
 * @throws BulwarkError naming the file, with a line for each tensor that is missing, unexpected or of another shape
 */
export function fitTensors(
  { path, tensors }: ModelFile,
  model: Module,
  description: ModelDescription,
  options: MapKeysOptions = {},
): KeyMapping {
  try {
    return mapKeys(tensors, model, options);
  } catch (cause) {
    if (!(cause instanceof StateDictError)) throw cause;
    throw new BulwarkError(
      [`${path}: is not a checkpoint of ${describeModel(description)}:`, ...differences(cause)].join('\n  '),
      { cause },
    );
  }
}

/** A model in a few words. */
export function describeModel({ name, classes, options }: ModelDescription): string {
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

/** Under which a file says what its network normalises images by: numbers per channel, with commas. */
export const NORMALIZATION_KEYS = { mean: 'normalize.mean', std: 'normalize.std' } as const;

/** What a file says of its network's normalisation. Throws a `FormatError` where that is no numbers. */
function normalizationIn({ path, metadata }: ModelFile): NormalizationConstants | undefined {
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
