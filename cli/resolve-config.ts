import { objectiveNamed } from '../adversarial/objectives/registry.js';
import type { Preset } from '../adversarial/presets.js';
import { withDefaults } from '../engine/named-options.js';
import { modelEntry } from '../nn/models/registry.js';
import {
  CONFIG_VERSION,
  DATASETS,
  type ConfigPatch,
  type DatasetName,
  type ScheduleConfig,
  type TrainConfig,
} from './config.js';
import { checkConfig } from './config-schema.js';
import { UsageError, asUsage } from './errors.js';

/** Test images that a trained model is evaluated on, unless told. */
export const EVALUATION_SAMPLES = 1000;

/** What validation is like where only a part of it is told. */
const VALIDATION = { samples: 1000, every: 1, steps: 10, patience: null };
/** The same of adversarial weight perturbation. */
const PERTURBATION = { gamma: 0.01, after: 0 };

/** What each schedule is like where only its name is told. */
const SCHEDULES: { readonly [Name in ScheduleConfig['name']]: Extract<ScheduleConfig, { name: Name }> } = {
  step: { name: 'step', drops: [], gamma: 0.1, warmup: 0 },
  trapezoid: { name: 'trapezoid', warmup: 0, decay: 0 },
  cosine: { name: 'cosine', minLr: 0, warmup: 0 },
  cyclic: { name: 'cyclic', minLr: 0, peak: 0.5 },
};

/** Classes, channels and size of the images of each dataset, as far as they are known before it is read. */
export const SHAPES: Readonly<
  Record<DatasetName, { readonly classes: number; readonly inChannels: number; readonly imageSize: number }>
> = {
  mnist: { classes: 10, inChannels: 1, imageSize: 28 },
  'fashion-mnist': { classes: 10, inChannels: 1, imageSize: 28 },
  cifar10: { classes: 10, inChannels: 3, imageSize: 32 },
  cifar100: { classes: 100, inChannels: 3, imageSize: 32 },
  shapes32: { classes: 10, inChannels: 3, imageSize: 32 },
  folder: { classes: 10, inChannels: 3, imageSize: 32 },
};

/**
 * A preset with the settings of patches in the place of its own, of the first patch first.
 *
 * @throws UsageError for an unknown objective or model, options that it does not have, values outside their domain, or both of steps and
 * epochs in one patch
 */
export function resolveConfig(preset: Preset, ...patches: readonly ConfigPatch[]): TrainConfig {
  const merged = patches.reduce(patched, configOf(preset, patches));
  const objective = asUsage(() => objectiveNamed(merged.objective.name, merged.objective.options));
  const model = asUsage(() => modelEntry(merged.model.name));
  const options = asUsage(() => withDefaults(model.name, model.options, merged.model.options));
  const config: TrainConfig = {
    ...merged,
    objective: { name: objective.name, options: objective.options },
    model: { ...merged.model, options },
  };
  checkSchedule(config.training.schedule);
  const checked = checkConfig(config);
  if ('mistakes' in checked) throw new UsageError(`configuration: ${checked.mistakes.join('; ')}`);
  return checked.value;
}

/** Throws a `UsageError` for settings of a schedule that are another's. */
function checkSchedule(schedule: ScheduleConfig): void {
  const own = Object.keys(new Map<string, object>(Object.entries(SCHEDULES)).get(schedule.name) ?? schedule);
  const strange = Object.keys(schedule).find((key) => !own.includes(key));
  const others = Object.values(SCHEDULES).filter((other) => strange !== undefined && strange in other);
  if (others.length === 0) return;
  const [names, has] = [others.map(({ name }) => name).join(' or '), own.filter((key) => key !== 'name').join(' and ')];
  throw new UsageError(
    `schedule ${schedule.name} has no ${strange}, but ${has}; ${strange} is of schedule ${names} (--schedule, or training.schedule.name)`,
  );
}

/** The preset's own settings, for the dataset that the patches end with. */
function configOf(preset: Preset, patches: readonly ConfigPatch[]): TrainConfig {
  const name = patches.findLast(({ dataset }) => dataset?.name !== undefined)?.dataset?.name ?? preset.dataset;
  const dataset = DATASETS.find((known) => known === name);
  if (!dataset) throw new UsageError(`preset ${preset.name}: is for dataset ${name}, which the command does not know`);
  const { attack, lr, ...training } = preset.training;
  const { baseLr, ...schedule } = lr.config;
  return {
    version: CONFIG_VERSION,
    preset: preset.name,
    dataset: { name: dataset, folder: null, subset: null, imageSize: null },
    validation: preset.validation ?? null,
    augmentation: preset.augmentation ?? null,
    model: { ...SHAPES[dataset], ...preset.model },
    objective: { name: preset.objective.name, options: preset.objective.options },
    attack: {
      eps: attack.eps,
      steps: attack.steps,
      stepSize: attack.stepSize ?? null,
      rampFraction: attack.rampFraction ?? 0,
      start: typeof attack.start === 'string' ? attack.start : 'normal',
    },
    training: {
      steps: training.steps ?? null,
      epochs: training.epochs ?? null,
      batchSize: training.batchSize,
      accumulate: 1,
      optimizer: training.optimizer ?? 'sgd',
      lr: baseLr,
      schedule,
      momentum: training.momentum,
      nesterov: training.nesterov ?? false,
      weightDecay: training.weightDecay,
      maxNorm: training.maxNorm ?? null,
      average: training.average ?? null,
      perturbation: training.perturbation ? { ...PERTURBATION, ...training.perturbation } : null,
    },
    evaluation: { samples: EVALUATION_SAMPLES },
    checkpointEvery: 100,
    seed: 0,
  };
}

function patched(config: TrainConfig, patch: ConfigPatch): TrainConfig {
  const {
    dataset,
    validation,
    augmentation,
    model,
    objective,
    attack,
    training = {},
    evaluation,
    checkpointEvery,
    seed,
  } = patch;
  const [steps, epochs] = [training.steps, training.epochs].map((length) => length ?? undefined);
  if (steps !== undefined && epochs !== undefined) {
    throw new UsageError('--steps and --epochs: give one of them, to say how long to train');
  }
  const { schedule, average, perturbation, ...plain } = training;
  const length = steps !== undefined ? { epochs: null } : epochs !== undefined ? { steps: null } : {};
  // Names choose what the other settings are settings of: another name leaves those of the one before behind.
  const { schedule: before } = config.training;
  const usual = schedule?.name === undefined || schedule.name === before.name ? before : SCHEDULES[schedule.name];
  const own = (before: OptionsOf, after: OptionsOf | undefined): object => ({
    ...(after?.name === undefined || after.name === before.name ? before.options : {}),
    ...after?.options,
  });
  return {
    ...config,
    dataset: { ...config.dataset, ...dataset },
    validation: orNull(config.validation, validation, VALIDATION),
    augmentation:
      augmentation === undefined ? config.augmentation : augmentation && partByPart(config.augmentation, augmentation),
    model: { ...config.model, ...model, options: own(config.model, model) },
    objective: { ...config.objective, ...objective, options: own(config.objective, objective) },
    attack: { ...config.attack, ...attack },
    training: {
      ...config.training,
      ...length,
      ...plain,
      schedule: { ...usual, ...schedule },
      average: average === undefined ? config.training.average : average,
      perturbation: orNull(config.training.perturbation, perturbation, PERTURBATION),
    },
    evaluation: { ...config.evaluation, ...evaluation },
    checkpointEvery: checkpointEvery ?? config.checkpointEvery,
    seed: seed ?? config.seed,
  } as TrainConfig;
}

/** Parts that both have, put together. */
function partByPart(before: object | null, after: object): object {
  const parts = new Map<string, object>(Object.entries(before ?? {}));
  for (const [name, part] of Object.entries(after) as [string, object][])
    parts.set(name, { ...parts.get(name), ...part });
  return Object.fromEntries(parts);
}

/** Something with options that go with its name. */
interface OptionsOf {
  readonly name?: string;
  readonly options?: object;
}

/** A part that may be null: what is told of it goes over what there was, or over what is usual. */
function orNull<T extends object>(before: T | null, after: Partial<T> | null | undefined, usual: T): T | null {
  if (after === undefined) return before;
  return after === null ? null : { ...usual, ...before, ...after };
}
