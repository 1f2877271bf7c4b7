import { z } from 'zod';
import { OPTIMIZERS } from '../adversarial/named-optimizer.js';
import { objectiveNamed } from '../adversarial/objectives/registry.js';
import type { OptionValues } from '../adversarial/objectives/objective.js';
import { ArgumentError } from '../engine/errors.js';
import { unknownName, withDefaults } from '../engine/named-options.js';
import { nearestName } from '../engine/nearest-name.js';
import { modelEntry } from '../nn/models/registry.js';
import { CONFIG_VERSION, DATASETS, type ConfigPatch, type TrainConfig } from './config.js';

const count = z.int().min(1);
const fromZero = z.number().min(0);
const positive = z.number().positive();
const part = z.number().min(0).max(1);
const options = z.record(z.string(), z.union([z.number(), z.string(), z.boolean()]));

/** An object without other keys; in a patch, every key may be missing. */
type Section = (shape: z.ZodRawShape) => z.ZodObject;

/** What configurations have; `section` makes their objects. */
function sections(section: Section) {
  const schedule = z.union([
    section({ name: z.literal('step'), drops: z.array(count), gamma: fromZero, warmup: part }),
    section({ name: z.literal('trapezoid'), warmup: part, decay: part }),
    section({ name: z.literal('cosine'), minLr: fromZero, warmup: part }),
    section({ name: z.literal('cyclic'), minLr: fromZero, peak: part }),
  ]);
  return {
    dataset: section({
      name: z.enum(DATASETS),
      folder: z.string().nullable(),
      subset: count.nullable(),
      // Runs from before it was there have none.
      imageSize: count.nullable().default(null),
    }),
    validation: section({ samples: count, every: count, steps: count, patience: count.nullable() }).nullable(),
    augmentation: z
      .strictObject({
        padCropFlip: z.strictObject({ padding: z.int().min(0).optional(), flip: z.boolean().optional() }).optional(),
        colorJitter: z
          .strictObject({
            brightness: fromZero.optional(),
            contrast: fromZero.optional(),
            saturation: fromZero.optional(),
          })
          .optional(),
        cutout: z.strictObject({ size: count, fill: part.optional() }).optional(),
      })
      .nullable(),
    model: section({ name: z.string(), classes: count, inChannels: count, imageSize: count, options }),
    objective: section({ name: z.string(), options }),
    attack: section({
      eps: part,
      steps: count,
      stepSize: positive.nullable(),
      rampFraction: part,
      start: z.enum(['none', 'uniform', 'normal']),
    }),
    training: section({
      steps: count.nullable(),
      epochs: count.nullable(),
      batchSize: count,
      accumulate: count,
      optimizer: z.enum(OPTIMIZERS),
      lr: fromZero,
      schedule,
      momentum: fromZero,
      nesterov: z.boolean(),
      weightDecay: fromZero,
      maxNorm: positive.nullable(),
      average: z
        .union([
          z.strictObject({ kind: z.literal('ema'), decay: part }),
          z.strictObject({ kind: z.literal('swa'), start: part }),
        ])
        .nullable(),
      perturbation: section({ gamma: fromZero, after: z.int().min(0) }).nullable(),
    }),
    evaluation: section({ samples: z.int().min(0) }),
    checkpointEvery: count.default(100),
    seed: z.int().min(0),
  };
}

const CONFIG = z.strictObject({
  version: z.literal(CONFIG_VERSION),
  preset: z.string(),
  ...sections((shape) => z.strictObject(shape)),
});

const partial = z.strictObject(sections((shape) => z.strictObject(shape).partial())).partial();
const PATCH = partial.extend({ version: z.literal(CONFIG_VERSION), preset: z.string() }).partial();

/** What was read, or what is wrong with it, a sentence for each mistake. */
export type Checked<T> = { readonly value: T } | { readonly mistakes: readonly string[] };

/** Whether a value is a whole configuration. */
export function checkConfig(value: unknown): Checked<TrainConfig> {
  const result = CONFIG.safeParse(value);
  // What zod infers of optional keys allows undefined, which JSON has not.
  return result.success
    ? { value: Object(result.data) as TrainConfig }
    : { mistakes: mistakesIn(CONFIG, result.error, value) };
}

/** Whether a value is a configuration of which parts may be missing. */
export function checkPatch(value: unknown): Checked<ConfigPatch & { readonly preset?: string }> {
  const result = PATCH.safeParse(value);
  const mistakes = [...(result.success ? [] : mistakesIn(PATCH, result.error, value)), ...mistakesBetween(value)];
  return mistakes.length === 0 ? { value: value as ConfigPatch } : { mistakes };
}

/** What is wrong with settings that are right one by one. */
function mistakesBetween(value: unknown): string[] {
  const [objective, model] = ['objective', 'model'].map((part) => partAt(value, [part]));
  const nameOf = (of: unknown): string[] => [partAt(of, ['name'])].filter((name) => typeof name === 'string');
  const options = (of: unknown): OptionValues => ({ ...(Object(partAt(of, ['options'])) as OptionValues) });
  const { steps, epochs } = Object(partAt(value, ['training'])) as { steps?: unknown; epochs?: unknown };
  return [
    ...nameOf(objective).flatMap((name) => mistakeOf('objective', () => objectiveNamed(name, options(objective)))),
    ...nameOf(model).flatMap((name) =>
      mistakeOf('model', () => withDefaults(name, modelEntry(name).options, options(model))),
    ),
    ...((steps ?? null) !== null && (epochs ?? null) !== null
      ? ['training: has both steps and epochs; give one of them, to say how long to train']
      : []),
  ];
}

function mistakeOf(part: string, make: () => unknown): string[] {
  try {
    make();
    return [];
  } catch (cause) {
    if (cause instanceof ArgumentError) return [`${part}: ${cause.message}`];
    throw cause;
  }
}

function mistakesIn(schema: z.ZodType, { issues }: z.ZodError, value: unknown): string[] {
  return issues.flatMap((issue) => sentences(schema, issue, value));
}

/** What is wrong, where; an unknown key is answered with the nearest that there is. `schema` and `value` are those of the whole. */
function sentences(schema: z.ZodType, issue: z.core.$ZodIssue, value: unknown): string[] {
  const where = issue.path.join('.');
  if (issue.code === 'invalid_union') {
    const alternatives = alternativesAt(schema, issue.path);
    const found = partAt(value, issue.path);
    const meant = alternatives.findIndex((alternative) => isNamed(alternative, found));
    const literals = alternatives.flatMap(literalsOf);
    const wrong = literals.find(({ key, required }) => required || partAt(found, [key]) !== undefined);
    if (meant < 0 && wrong && typeof found === 'object') {
      const name = partAt(found, [wrong.key]);
      const known = literals.flatMap(({ values }) => values).join(', ');
      return [
        `${where}.${wrong.key}: ${name === undefined ? 'missing' : `unknown ${JSON.stringify(name)}`}; there are ${known}`,
      ];
    }
    // Where there is no name, that with the fewest mistakes.
    const errors = issue.errors[meant] ?? [...issue.errors].sort((a, b) => a.length - b.length)[0];
    return (errors ?? []).flatMap((inner) =>
      sentences(schema, { ...inner, path: [...issue.path, ...inner.path] }, value),
    );
  }
  if (issue.code === 'invalid_value' && typeof partAt(value, issue.path) === 'string') {
    const known = issue.values.map(String);
    return [`${where}: ${unknownName('value', String(partAt(value, issue.path)), known)}`];
  }
  if (issue.code !== 'unrecognized_keys') return [`${where === '' ? 'the whole' : where}: ${issue.message}`];
  const { keys: known, of } = keysAt(schema, issue.path, value);
  return issue.keys.map((key) => {
    if (known.includes(key))
      return `${[...issue.path, key].join('.')}: is not of the same kind as the settings beside it; give its name`;
    const nearest = nearestName(key, known);
    const guess =
      nearest === undefined
        ? `; ${of === undefined ? 'there are' : `${of} has`} ${known.join(', ')}`
        : ` (did you mean ${nearest}?)`;
    return `unknown key ${[...issue.path, key].join('.')}${guess}`;
  });
}

/** The keys of an object within a schema: of the alternative that its name chooses, or else of all of them. */
function keysAt(
  schema: unknown,
  path: readonly PropertyKey[],
  value: unknown,
): { readonly keys: readonly string[]; readonly of: string | undefined } {
  const all = alternativesAt(schema, path);
  const named = all.find((alternative) => isNamed(alternative, partAt(value, path)));
  const keys = new Set((named ? [named] : all).flatMap(({ shape }) => Object.keys(shape)));
  const [literal] = named ? literalsOf(named) : [];
  return { keys: [...keys], of: literal?.values[0] };
}

/** The schemas of the objects that may be at a place: several where it takes one of several kinds. */
function alternativesAt(schema: unknown, path: readonly PropertyKey[]): z.ZodObject[] {
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return alternativesAt(schema.unwrap(), path);
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => alternativesAt(option, path));
  if (!(schema instanceof z.ZodObject)) return [];
  const [first, ...rest] = path;
  return first === undefined
    ? [schema]
    : alternativesAt(new Map(Object.entries(schema.shape)).get(String(first)), rest);
}

/** What stands at a place of a value. */
function partAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((whole, key) => new Map(Object.entries(Object(whole) as object)).get(String(key)), value);
}

/** The names, or kinds, that an alternative goes by, and their key. */
function literalsOf({
  shape,
}: z.ZodObject): { readonly key: string; readonly values: readonly string[]; readonly required: boolean }[] {
  return Object.entries(shape).flatMap(([key, type]) => {
    const literal: unknown = type instanceof z.ZodOptional ? type.unwrap() : type;
    if (!(literal instanceof z.ZodLiteral)) return [];
    const values = [...literal.values].filter((each) => typeof each === 'string');
    return values.length > 0 ? [{ key, values, required: literal === type }] : [];
  });
}

function isNamed(alternative: z.ZodObject, value: unknown): boolean {
  return literalsOf(alternative).some(({ key, values }) => values.some((name) => name === partAt(value, [key])));
}
