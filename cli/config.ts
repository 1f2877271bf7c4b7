import type { OptimizerName } from '../adversarial/named-optimizer.js';
import { objectiveNamed } from '../adversarial/objectives/registry.js';
import type { OptionValues } from '../adversarial/objectives/objective.js';
import type { WeightAverageOptions } from '../adversarial/weight-average.js';
import type { AugmentationOptions } from '../data/augmentation.js';
import type { Dataset } from '../data/dataset.js';
import type { ModelDescription } from '../nn/model-file.js';
import { scheduleOf, type Schedule, type ScheduleConfig as NamedSchedule } from '../nn/optim/schedule.js';

/** The names of the datasets that there are. */
export const DATASETS = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'shapes32', 'folder'] as const;
export type DatasetName = (typeof DATASETS)[number];

/** A model, as far as it takes to build it anew: see `nn/models/registry.ts`. */
export type ModelConfig = ModelDescription;

/** `T` without what a run's settings hold elsewhere, for each of the schedules. */
type WithoutRate<T> = T extends unknown ? Omit<T, 'baseLr'> : never;

/** How the learning rate changes; what it starts from is the run's `lr`. */
export type ScheduleConfig = WithoutRate<NamedSchedule>;

/** Changes whenever an older configuration would mean something else. */
export const CONFIG_VERSION = 1;

/** Images that are kept apart from those that a run learns from, and what is done with them. */
export interface ValidationConfig {
  /** How many of the training images. */
  readonly samples: number;
  /** Epochs between two validations. */
  readonly every: number;
  /** Of the attack, PGD, whose steps together cross the ball. */
  readonly steps: number;
  /** Validations without a better one after which the run ends; null for never. */
  readonly patience: number | null;
}

/** Every setting of a training run, resolved: what `config.json` holds. */
export interface TrainConfig {
  readonly version: typeof CONFIG_VERSION;
  readonly preset: string;
  readonly dataset: {
    readonly name: DatasetName;
    readonly folder: string | null;
    readonly subset: number | null;
    /** The side of the square that images of dataset folder are brought to; null for images as they are. */
    readonly imageSize: number | null;
  };
  readonly validation: ValidationConfig | null;
  readonly augmentation: AugmentationOptions | null;
  readonly model: ModelConfig;
  readonly objective: { readonly name: string; readonly options: OptionValues };
  /** The adversary of training; also the radius that the trained model is evaluated at. */
  readonly attack: {
    readonly eps: number;
    readonly steps: number;
    /** Null for a quarter of what the ramp has made of eps. */
    readonly stepSize: number | null;
    readonly rampFraction: number;
    readonly start: 'none' | 'uniform' | 'normal';
  };
  readonly training: {
    readonly steps: number | null;
    readonly epochs: number | null;
    readonly batchSize: number;
    /** Parts that each batch is learned from in. */
    readonly accumulate: number;
    readonly optimizer: OptimizerName;
    /** What the schedule starts from. */
    readonly lr: number;
    readonly schedule: ScheduleConfig;
    readonly momentum: number;
    readonly nesterov: boolean;
    readonly weightDecay: number;
    /** Null for gradients as they are. */
    readonly maxNorm: number | null;
    readonly average: WeightAverageOptions | null;
    /** Adversarial weight perturbation, after so many epochs. */
    readonly perturbation: { readonly gamma: number; readonly after: number } | null;
  };
  /** Of the trained model, on the first test images; none for 0. */
  readonly evaluation: { readonly samples: number };
  /** Steps between two checkpoints that an interrupted run goes on from. */
  readonly checkpointEvery: number;
  readonly seed: number;
}

/** Settings of a configuration that take the place of others: every part may be missing. */
export type ConfigPatch = DeepPartial<Omit<TrainConfig, 'version' | 'preset'>>;

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/** A configuration for the images and classes that a dataset turned out to have. */
export function withShapeOf(config: TrainConfig, { classes, exampleShape }: Dataset): TrainConfig {
  const [inChannels = 1, imageSize = 1] = exampleShape;
  return { ...config, model: { ...config.model, classes, inChannels, imageSize } };
}

/** A sentence for each setting of the training attack that was given, but that the objective does not look at. */
export function ignoredSettings(
  { name, options }: TrainConfig['objective'],
  given: ConfigPatch['attack'] = {},
): string[] {
  const { needs, craft, attackPlan } = objectiveNamed(name, options);
  const settings: readonly (readonly [string, unknown, unknown])[] = [
    ['--attack-steps', given.steps, attackPlan?.steps],
    ['--step-size', given.stepSize, attackPlan?.stepSize],
  ];
  const why = needs.adversarial ? 'has an attack of its own (see --set)' : 'trains without an attack';
  return settings
    .filter(([, value, own]) => value !== undefined && (own !== undefined || craft || !needs.adversarial))
    .map(([option]) => `${option} changes nothing: ${name} ${why}`);
}

/** The schedule of a configuration. Throws an `ArgumentError` for settings outside their domain. */
export function makeSchedule({ lr: baseLr, schedule }: TrainConfig['training']): Schedule {
  return scheduleOf({ ...schedule, baseLr });
}
