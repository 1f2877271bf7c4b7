/**
 * Files of models that say which model they are of: safetensors, whose metadata hold what it takes to build the model anew.
 */
import { ArgumentError, BulwarkError, FormatError, LimitError } from '../engine/errors.js';
import { withDefaults, type OptionValues } from '../engine/named-options.js';
import { sameShape } from '../engine/shape.js';
import { normalized } from './models/normalized.js';
import { modelEntry, modelNamed, type ModelSource } from './models/registry.js';
import type { Module } from './module.js';
import { mapKeys, type KeyMapping, type MapKeysOptions, type NormalizationConstants } from './pytorch/map-keys.js';
import { shown } from './pytorch/value.js';
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

/** What a model is for. */
export interface ModelTask {
  readonly classes?: number | undefined;
  readonly inChannels?: number | undefined;
  readonly imageSize?: number | undefined;
}

/** What is known of a file's model from elsewhere: it goes before what the file says. */
export interface KnownModel extends ModelTask {
  readonly model?: string | undefined;
  readonly width?: number | undefined;
  readonly options?: OptionValues | undefined;
}

/** The most that a file may say: more than any network has, and little enough that an error comes at once. */
const MOST = { classes: 1_000_000, inChannels: 10_000, imageSize: 10_000 };

/**
 * Which model a file is of: what is known, or else what its metadata say, or else, of its task, what is `usual`.
 *
 * @throws FormatError where neither says which, or the metadata make no sense
 */
export function modelDescriptionOf(
  { path, metadata }: Pick<ModelFile, 'path' | 'metadata'>,
  { model, width, options, ...task }: KnownModel = {},
  usual: ModelTask = {},
): ModelDescription {
  const asked = model ?? metadata['model'];
  if (asked === undefined) throw new FormatError(`${path}: does not say which model it is of`);
  // Of an unknown one, as an error may show it.
  const name = shown(asked);
  try {
    const { options: defaults, imageShape } = modelEntry(name);
    const said = metadata['model'] === name ? optionsIn(path, metadata) : {};
    const sizes = { classes: 10, inChannels: imageShape[0], imageSize: imageShape[1] };
    const size = (key: keyof ModelTask): number =>
      task[key] ?? integerIn(path, metadata, key) ?? usual[key] ?? sizes[key];
    return {
      name,
      classes: size('classes'),
      inChannels: size('inChannels'),
      imageSize: size('imageSize'),
      options: withDefaults(name, defaults, { ...said, ...options, ...(width !== undefined && { width }) }),
    };
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause;
    throw new FormatError(`${path}: ${shown(cause.message, 1000)}`, { cause });
  }
}

/** The options of the model in a file's metadata; older ones know a width alone. */
function optionsIn(path: string, metadata: ModelFile['metadata']): OptionValues {
  const text = metadata['options'];
  if (text === undefined) return widthIn(path, metadata);
  try {
    return Object(JSON.parse(text)) as OptionValues;
  } catch (cause) {
    throw new FormatError(`${path}: its metadata say options '${shown(text)}', which is no JSON`, { cause });
  }
}

function widthIn(path: string, { width }: ModelFile['metadata']): OptionValues {
  if (width === undefined) return {};
  if (Number(width) > 0 && Number(width) < Infinity) return { width: Number(width) };
  throw new FormatError(`${path}: its metadata say width '${shown(width)}'; expected a number above 0`);
}

/** A size in a file's metadata; undefined where there is none. */
function integerIn(path: string, metadata: ModelFile['metadata'], key: keyof ModelTask): number | undefined {
  const text = metadata[key];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= MOST[key]) return value;
  throw new FormatError(
    `${path}: its metadata say ${key} '${shown(text)}'; expected an integer from 1 to ${MOST[key]}`,
  );
}

/**
 * Builds the model of a file and loads it, behind the normalisation that the file says, if any.
 *
 * @throws BulwarkError naming the file, and the tensors that do not fit
 */
export function modelOfFile(file: ModelFile, description: ModelDescription, source: ModelSource): Module {
  const model = buildModelOf(file, description, source);
  try {
    const { tensors, normalization } = fitTensors(file, model, description);
    fitting(file, description, () => model.loadStateDict(tensors));
    return normalization ? normalized(model, normalization) : model;
  } catch (cause) {
    model.dispose();
    throw cause;
  }
}

/**
 * The model of a file as it is before it is loaded.
 *
 * @throws BulwarkError naming the file, for one that the device cannot hold; ArgumentError naming it, for options that it refuses
 */
export function buildModelOf(
  { path }: Pick<ModelFile, 'path'>,
  description: ModelDescription,
  source: ModelSource,
): Module {
  const { name, ...rest } = description;
  try {
    return modelNamed(name, { ...rest, ...source });
  } catch (cause) {
    if (cause instanceof ArgumentError) throw new ArgumentError(`${path}: ${shown(cause.message, 1000)}`, { cause });
    if (!(cause instanceof LimitError)) throw cause;
    throw new BulwarkError(`${path}: ${describeModel(description)} cannot be built: ${cause.message}`, { cause });
  }
}

/**
 * A file's tensors under a model's names, and the normalisation that its tensors or its metadata say.
 *
 * @throws BulwarkError naming the file, with a line for each tensor that is missing, unexpected or of another shape or type;
 * ArgumentError naming it, where the prefix has to be said, or the model to be made with another padding
 */
export function fitTensors(
  file: ModelFile,
  model: Module,
  description: ModelDescription,
  options: MapKeysOptions = {},
): KeyMapping {
  const mapping = fitting(file, description, () => mapKeys(file.tensors, model, options));
  const found = mapping.normalization ?? normalizationIn(file);
  const normalization = found && normalizationFor(description, found);
  if (!found || normalization) return { ...mapping, normalization };
  const { name, inChannels } = description;
  throw new BulwarkError(
    `${file.path}: is normalised for ${found.mean.length} channels; its ${name} takes ${inChannels}`,
  );
}

/** What `fn` gives of a file and the model that it is of; its errors name the file. */
function fitting<T>({ path }: ModelFile, description: ModelDescription, fn: () => T): T {
  try {
    return fn();
  } catch (cause) {
    if (cause instanceof ArgumentError) {
      throw new ArgumentError(`${path}: ${cause.message.replace(/^mapKeys: the state /, '')}`, { cause });
    }
    if (!(cause instanceof StateDictError)) throw cause;
    const { name, inChannels, imageSize } = description;
    const [images, usual] = [[inChannels, imageSize, imageSize], modelEntry(name).imageShape];
    const what = describeModel(description) + (sameShape(images, usual) ? '' : `, for images of ${images.join(' x ')}`);
    throw new BulwarkError([`${path}: is not a checkpoint of ${what}:`, ...differences(cause)].join('\n  '), { cause });
  }
}

/** Constants for each channel of a model's images, where a single pair is for all; undefined where they are for other images. */
export function normalizationFor(
  { inChannels }: ModelDescription,
  { mean, std }: NormalizationConstants,
): NormalizationConstants | undefined {
  if (mean.length === inChannels) return { mean, std };
  if (mean.length !== 1) return undefined;
  const forAll = (values: readonly number[]): number[] => Array.from({ length: inChannels }, () => values[0] ?? NaN);
  return { mean: forAll(mean), std: forAll(std) };
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
    ...unexpected.map((name) => `has ${shown(name)}, which the model has not`),
  ];
}

/** Under which a file says what its network normalises images by: numbers per channel, with commas. */
export const NORMALIZATION_KEYS = { mean: 'normalize.mean', std: 'normalize.std' } as const;

/** What a file says of its network's normalisation. Throws a `FormatError` where that is no numbers. */
function normalizationIn({ path, metadata }: ModelFile): NormalizationConstants | undefined {
  const { mean: meanKey, std: stdKey } = NORMALIZATION_KEYS;
  const [mean, std] = [metadata[meanKey], metadata[stdKey]].map((text) => text?.split(',').map(Number));
  if (!mean && !std) return undefined;
  if (
    mean?.length === std?.length &&
    mean?.every(Number.isFinite) &&
    std?.every((value) => value > 0 && value < Infinity)
  ) {
    return { mean, std };
  }
  throw new FormatError(
    `${path}: its metadata say ${meanKey} '${shown(metadata[meanKey] ?? '')}' and ${stdKey} '${shown(metadata[stdKey] ?? '')}'; ` +
      'expected a number per channel in both, those of the latter above 0',
  );
}
