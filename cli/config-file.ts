import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { nearestName } from '../engine/nearest-name.js';
import { FormatError } from '../engine/errors.js';
import { fileError } from '../node/file-error.js';
import { CONFIG_VERSION, type TrainConfig } from './config.js';
import { DATASETS, MODELS, OPTIMIZERS } from './config.js';
import { RUN_FILES } from './folders.js';

const count = z.int().min(1);
const fromZero = z.number().min(0);
const part = z.number().min(0).max(1);

const optionValues = z.record(z.string(), z.union([z.number(), z.string(), z.boolean()]));

const schedule = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('step'), drops: z.array(count), gamma: fromZero }),
  z.strictObject({ name: z.literal('trapezoid'), warmup: part, decay: part }),
]);

/** What a whole configuration looks like: the file that a run is taken up again from. */
const CONFIG = z.strictObject({
  version: z.literal(CONFIG_VERSION),
  preset: z.string(),
  dataset: z.strictObject({ name: z.enum(DATASETS), folder: z.string().nullable(), subset: count.nullable() }),
  model: z.strictObject({
    name: z.enum(MODELS),
    width: z.number().positive(),
    classes: count,
    init: z.enum(['trades', 'kaimingNormal']),
    dropout: part,
  }),
  objective: z.strictObject({ name: z.string(), options: optionValues }),
  attack: z.strictObject({
    eps: part,
    steps: count,
    stepSize: z.number().positive().nullable(),
    rampFraction: part,
    start: z.enum(['none', 'uniform', 'normal']),
  }),
  training: z.strictObject({
    steps: count.nullable(),
    epochs: count.nullable(),
    batchSize: count,
    optimizer: z.enum(OPTIMIZERS),
    lr: fromZero,
    schedule,
    momentum: fromZero,
    weightDecay: fromZero,
  }),
  evaluation: z.strictObject({ samples: z.int().min(0) }),
  seed: z.int().min(0),
});

/**
 * The configuration of a run's folder.
 *
 * @throws ArgumentError where there is none; FormatError where it is broken, of another version, or has keys that there are not
 */
export async function readRunConfig(folder: string): Promise<TrainConfig> {
  const path = join(folder, RUN_FILES.config);
  const value = await readJson(path);
  const { version } = Object(value) as { version?: unknown };
  if (version !== CONFIG_VERSION) {
    const found = version === undefined ? 'no version' : `version ${JSON.stringify(version)}`;
    throw new FormatError(`${path}: has ${found}; this bulwark reads version ${CONFIG_VERSION}`);
  }
  const result = CONFIG.safeParse(value);
  if (result.success) return result.data;
  throw new FormatError(`${path}: ${result.error.issues.map((issue) => sentence(CONFIG, issue)).join('; ')}`);
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fileError('read', path, cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${path}: is no JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
}

/** What is wrong, where; an unknown key is answered with the nearest that there is. */
function sentence(schema: z.ZodType, issue: z.core.$ZodIssue): string {
  const where = issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') return `${where === '' ? 'the whole' : where}: ${issue.message}`;
  const known = keysAt(schema, issue.path);
  return issue.keys
    .map((key) => {
      const nearest = nearestName(key, known);
      const guess = nearest === undefined ? `; there are ${known.join(', ')}` : ` (did you mean ${nearest}?)`;
      return `unknown key ${[...issue.path, key].join('.')}${guess}`;
    })
    .join('; ');
}

/** The keys of an object within a schema. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional)
    return keysAt(schema.unwrap() as z.ZodType, path);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return [...new Set(schema.options.flatMap((option) => keysAt(option as z.ZodType, path)))];
  }
  if (!(schema instanceof z.ZodObject)) return [];
  const shape = schema.shape as Record<string, z.ZodType>;
  const [first, ...rest] = path;
  if (first === undefined) return Object.keys(shape);
  const inner = shape[String(first)];
  return inner ? keysAt(inner, rest) : [];
}
