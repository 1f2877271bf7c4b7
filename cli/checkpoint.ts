import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readdir, stat } from 'node:fs/promises';
import type { Device } from '../engine/device.js';
import { BulwarkError, FormatError } from '../engine/errors.js';
import { Generator } from '../engine/random.js';
import { cnn4, type Cnn4WidthOptions } from '../nn/models/cnn4.js';
import type { Module } from '../nn/module.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from '../nn/safetensors.js';
import { StateDictError, saveStateDict } from '../nn/state-dict.js';
import { readBytes, writeFileAtomic } from '../node/files.js';
import { MODELS, type ModelConfig, type ModelName, type TrainConfig } from './config.js';
import { RUN_FILES } from './folders.js';
import { unknownName } from './options.js';
import { UsageError } from './errors.js';

const BUILDERS: Readonly<Record<ModelName, (options: Omit<ModelConfig, 'name'> & Cnn4Source) => Module>> = { cnn4 };

/** Where a model lives, and where its random numbers come from. */
type Cnn4Source = Pick<Cnn4WidthOptions, 'device' | 'generator' | 'dropoutGenerator'>;

/** Builds a model; every random number in it follows from the seed. */
export function buildModel({ name, ...options }: ModelConfig, device: Device, seed = 0): Module {
  return BUILDERS[name]({
    ...options,
    device,
    generator: new Generator(seed, { purpose: 'init' }),
    dropoutGenerator: new Generator(seed, { purpose: 'dropout' }),
  });
}

/** Writes a model's tensors under PyTorch's names, with what it takes to build the model anew as metadata. */
export async function saveCheckpoint(path: string, model: Module, config: TrainConfig): Promise<void> {
  const { name, width, classes } = config.model;
  const metadata = {
    // Loaders of other libraries ask for this key.
    format: 'pt',
    model: name,
    width: String(width),
    classes: String(classes),
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

/**
 * Reads a checkpoint, given the file or a run's folder.
 *
 * @throws ArgumentError where there is no such file, FormatError where it is no safetensors file
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? await modelOf(path) : path;
  const bytes = await readBytes(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { ...decodeSafetensors(bytes, file), path: file, run: isFolder ? path : undefined, sha256 };
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
 * What model a checkpoint is of: what the command line says, or else what its metadata says.
 *
 * @throws UsageError where neither says which model, FormatError where the metadata makes no sense
 */
export function modelConfigOf(
  { path, metadata }: Checkpoint,
  { model, width }: { model?: ModelConfig['name'] | undefined; width?: number | undefined },
): ModelConfig {
  const said = metadata['model'];
  const name = model ?? MODELS.find((known) => known === said);
  if (name === undefined) {
    if (said === undefined) {
      throw new UsageError(`${path}: does not say which model it is of; say so by --model (and --width)`);
    }
    throw new FormatError(`${path}: ${unknownName('model', said, MODELS)}; or say which by --model`);
  }
  return {
    name,
    width: width ?? numberIn(path, metadata, 'width', 1),
    classes: numberIn(path, metadata, 'classes', 10),
    init: 'trades',
    dropout: 0,
  };
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
    model.loadStateDict(checkpoint.tensors);
    return model;
  } catch (cause) {
    model.dispose();
    if (!(cause instanceof StateDictError)) throw cause;
    const what = `a checkpoint of ${config.name} with width ${config.width} and ${config.classes} classes`;
    throw new BulwarkError(`${checkpoint.path}: is not ${what}:\n${mismatch(cause)}`, { cause });
  }
}

function mismatch({ missing, unexpected, mismatched }: StateDictError): string {
  const parts = [
    ...mismatched.slice(0, 2),
    ...missing.slice(0, 2).map((name) => `lacks ${name}`),
    ...unexpected.slice(0, 2).map((name) => `has ${name}, which the model has not`),
  ];
  const rest = missing.length + unexpected.length + mismatched.length - parts.length;
  return parts.join('; ') + (rest > 0 ? `; and ${rest} more` : '');
}
