import { createHash } from 'node:crypto';
import { extname, join } from 'node:path';
import { readdir, stat } from 'node:fs/promises';
import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import { ArgumentError, BulwarkError, FormatError } from '../engine/errors.js';
import { withDefaults } from '../engine/named-options.js';
import {
  modelDescriptionOf,
  modelMetadata,
  modelOfFile,
  type KnownModel,
  type ModelFile,
  type ModelTask,
} from '../nn/model-file.js';
import { modelEntry, modelNamed, seededSource } from '../nn/models/registry.js';
import type { Module } from '../nn/module.js';
import { isPyTorch, readPyTorch } from '../nn/pytorch/read.js';
import { stateDictOf } from '../nn/pytorch/state-dict-of.js';
import { shown } from '../nn/pytorch/value.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from '../nn/safetensors.js';
import { saveStateDict } from '../nn/state-dict.js';
import { exists, readBytes, writeFileAtomic } from '../node/files.js';
import { DATASETS, type DatasetName, type ModelConfig, type TrainConfig } from './config.js';
import { readRunConfig } from './config-file.js';
import type { Context } from './context.js';
import { loadDataset } from './datasets.js';
import { RUN_FILES } from './folders.js';
import { UsageError, asUsage } from './errors.js';
import { SHAPES } from './resolve-config.js';

/** Builds a model; every random number in it follows from the seed. Throws a `UsageError` for options that it has not. */
export function buildModel({ name, ...config }: ModelConfig, device: Device, seed = 0): Module {
  return asUsage(() => modelNamed(name, { ...config, ...seededSource(device, seed) }));
}

/** Writes a model's tensors under PyTorch's names, with what it takes to build the model anew as metadata. */
export async function saveCheckpoint(path: string, model: Module, config: TrainConfig): Promise<void> {
  const metadata = {
    ...modelMetadata(config.model),
    dataset: config.dataset.name,
    objective: config.objective.name,
    eps: String(config.attack.eps),
    seed: String(config.seed),
  };
  await writeFileAtomic(path, encodeSafetensors(await saveStateDict(model), metadata));
}

/** A checkpoint that was read but not yet put into a model. */
export interface Checkpoint extends ModelFile {
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
 * @throws ArgumentError where there is no such file; UsageError where the key has to be said, or is and the file has no keys; FormatError
 * where it is no such file
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
  if (!isTorch && options.key !== undefined) {
    throw new UsageError(`--key ${options.key}: ${file} is a safetensors file, whose tensors stand under no key`);
  }
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

/**
 * What model a checkpoint is of: what the command line says, or else what its metadata say, or else what is `usual`.
 *
 * @throws UsageError where neither says which model, or the model does not have the options; FormatError where the metadata make no sense
 */
export function modelConfigOf(checkpoint: Checkpoint, known: KnownModel, usual?: ModelTask): ModelConfig {
  const { path, metadata } = checkpoint;
  const { options } = known;
  const name = known.model ?? metadata['model'];
  if (name === undefined) {
    throw new UsageError(`${path}: does not say which model it is of; say so by --model (and --width)`);
  }
  if (options) asUsage(() => withDefaults(name, modelEntry(shown(name)).options, options));
  try {
    return modelDescriptionOf(checkpoint, known, usual);
  } catch (cause) {
    if (cause instanceof FormatError && cause.cause instanceof ArgumentError) {
      throw new FormatError(`${cause.message}; or say which by --model`, { cause });
    }
    throw cause;
  }
}

/** The same of a checkpoint that is looked at on a dataset: its classes and images are the usual ones. */
export function modelConfigOn(
  checkpoint: Checkpoint,
  {
    dataset,
    imageSize,
    model,
    width,
  }: Pick<KnownModel, 'model' | 'width' | 'imageSize'> & { readonly dataset: DatasetName },
): ModelConfig {
  // What a folder holds is not known yet, but for the size that its images are brought to.
  return modelConfigOf(checkpoint, { model, width }, dataset === 'folder' ? { imageSize } : SHAPES[dataset]);
}

/** The options that say which images a checkpoint is looked at on. */
export interface ImageOptions {
  readonly dataset?: DatasetName;
  readonly data?: string;
  readonly imageSize?: number;
}

/** Which images those are: what the command line says, or else those of the checkpoint's run, or MNIST's. */
export async function imagesOf(
  { run, metadata }: Checkpoint,
  { dataset, data, imageSize }: ImageOptions,
): Promise<ImageOptions & { readonly dataset: DatasetName }> {
  const name = dataset ?? DATASETS.find((each) => each === metadata['dataset']) ?? 'mnist';
  // Where the run's settings cannot be read, all has to be said.
  const config = run === undefined ? undefined : await readRunConfig(run).catch(() => undefined);
  const own = config?.dataset.name === name ? config : undefined;
  const folder = data ?? (run !== undefined && own ? await imagesOfRun(run, own) : null);
  const size = imageSize ?? own?.dataset.imageSize ?? null;
  return { dataset: name, ...(folder !== null && { data: folder }), ...(size !== null && { imageSize: size }) };
}

/** Where the images of a run are; throws a `UsageError` where they have gone. */
export async function imagesOfRun(run: string, { dataset: { folder } }: TrainConfig): Promise<string | null> {
  if (folder === null || (await exists(folder))) return folder;
  throw new UsageError(
    `${run}: its images were in ${folder}, where there is nothing now; say by --data where they are`,
  );
}

/** The first test images that a model is looked at on: so many, or where nobody said, `usual` or all that there are. */
export async function loadTestImages(
  { dataset, data, imageSize }: ImageOptions & { readonly dataset: DatasetName },
  model: ModelConfig,
  {
    samples,
    usual,
    context,
  }: { readonly samples: number | undefined; readonly usual: number; readonly context: Context },
): Promise<Dataset> {
  return loadDataset(dataset, 'test', {
    ...{ folder: data, imageSize, option: '--samples', context },
    ...{ count: samples ?? usual, atMost: samples === undefined },
    expected: { shape: [model.inChannels, model.imageSize, model.imageSize], by: 'the model takes' },
  });
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
  return asUsage(() => modelOfFile(checkpoint, config, seededSource(device, 0)));
}
