import type { Objective, OptionValue, OptionValues } from '../adversarial/objectives/objective.js';
import { objectiveNamed } from '../adversarial/objectives/registry.js';
import { OPTIMIZERS, type OptimizerName } from '../adversarial/named-optimizer.js';
import type { Preset } from '../adversarial/presets.js';
import type { Cnn4Init } from '../nn/models/cnn4.js';
import { scheduleOf, type Schedule, type ScheduleConfig as NamedSchedule } from '../nn/optim/schedule.js';
import { UsageError, asUsage } from './errors.js';

/** The names of the datasets that there are. */
export const DATASETS = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'shapes32', 'folder'] as const;
export type DatasetName = (typeof DATASETS)[number];

/** The names of the models that there are. */
export const MODELS = ['cnn4'] as const;
export type ModelName = (typeof MODELS)[number];

export { OPTIMIZERS, type OptimizerName };

/** A model, as far as it takes to build it anew. */
export interface ModelConfig {
  readonly name: ModelName;
  readonly width: number;
  readonly classes: number;
  readonly init: Cnn4Init;
  readonly dropout: number;
}

/** `T` without what a run's settings hold elsewhere, for each of the schedules. */
type WithoutRate<T> = T extends unknown ? Omit<T, 'baseLr'> : never;

/** How the learning rate changes; what it starts from is the run's `lr`. */
export type ScheduleConfig = WithoutRate<NamedSchedule>;

/** Changes whenever an older configuration would mean something else. */
export const CONFIG_VERSION = 1;

/** Every setting of a training run, resolved: what `config.json` holds. */
export interface TrainConfig {
  readonly version: typeof CONFIG_VERSION;
  readonly preset: string;
  readonly dataset: { readonly name: DatasetName; readonly folder: string | null; readonly subset: number | null };
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
    readonly optimizer: OptimizerName;
    /** What the schedule starts from. */
    readonly lr: number;
    readonly schedule: ScheduleConfig;
    readonly momentum: number;
    readonly weightDecay: number;
  };
  /** Of the trained model, on the first test images; none for 0. */
  readonly evaluation: { readonly samples: number };
  readonly seed: number;
}

/** What the command line may set over a preset; undefined is what it does not set. */
export interface TrainOptions {
  readonly dataset: DatasetName;
  readonly data?: string;
  readonly subset?: number;
  readonly model: ModelName;
  readonly width?: number;
  readonly objective?: string;
  readonly lambda?: number;
  readonly beta?: number;
  readonly pairReduction?: string;
  /** Options of the objective by name. */
  readonly set?: Readonly<Record<string, OptionValue>>;
  readonly eps?: number;
  readonly attackSteps?: number;
  readonly stepSize?: number;
  readonly ramp?: number;
  readonly steps?: number;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly optimizer?: OptimizerName;
  readonly lr?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly evalSamples?: number;
  readonly seed: number;
}

/** MNIST's. */
const CLASSES = 10;

/** Test images that a trained model is evaluated on, unless told. */
export const EVALUATION_SAMPLES = 1000;

/**
 * A preset with the command line's options in place of its own.
 *
 * @throws UsageError for an unknown objective, options that it does not have, or both of steps and epochs
 */
export function resolveConfig(preset: Preset, options: TrainOptions): TrainConfig {
  const objective = resolveObjective(preset, options);
  return {
    version: CONFIG_VERSION,
    preset: preset.name,
    dataset: { name: options.dataset, folder: options.data ?? null, subset: options.subset ?? null },
    model: resolveModel(preset, options),
    objective: { name: objective.name, options: objective.options },
    attack: resolveAttack(preset, options),
    training: resolveTraining(preset, options),
    evaluation: { samples: options.evalSamples ?? EVALUATION_SAMPLES },
    seed: options.seed,
  };
}

function resolveModel({ model }: Preset, options: TrainOptions): ModelConfig {
  const { width = 1, init, dropout = 0.5 } = model.options;
  return {
    name: options.model,
    classes: CLASSES,
    width: options.width ?? Number(width),
    init: init === 'kaimingNormal' ? init : 'trades',
    dropout: Number(dropout),
  };
}

function resolveObjective(preset: Preset, options: TrainOptions): Objective {
  const { objective: name = preset.objective.name, lambda, beta, pairReduction, set = {} } = options;
  const own = name === preset.objective.name ? preset.objective.options : {};
  const given = Object.entries({ lambda, beta, pairReduction }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  const twice = given.find(([key]) => key in set);
  if (twice) throw new UsageError(`--set ${twice[0]}: is given by an option of its own too; take one of the two`);
  return asUsage(() => objectiveNamed(name, { ...own, ...Object.fromEntries(given), ...set }));
}

/** A sentence for each option of the training attack that was given, but that the objective does not look at. */
export function ignoredOptions(
  { name, options: settings }: TrainConfig['objective'],
  options: Pick<TrainOptions, 'attackSteps' | 'stepSize'>,
): string[] {
  const { needs, craft, attackPlan } = objectiveNamed(name, settings);
  const given: readonly (readonly [string, number | undefined, number | undefined])[] = [
    ['--attack-steps', options.attackSteps, attackPlan?.steps],
    ['--step-size', options.stepSize, attackPlan?.stepSize],
  ];
  const why = needs.adversarial ? 'has an attack of its own (see --set)' : 'trains without an attack';
  return given
    .filter(([, value, own]) => value !== undefined && (own !== undefined || craft || !needs.adversarial))
    .map(([option]) => `${option} changes nothing: ${name} ${why}`);
}

function resolveAttack(preset: Preset, options: TrainOptions): TrainConfig['attack'] {
  const { attack } = preset.training;
  return {
    eps: options.eps ?? attack.eps,
    steps: options.attackSteps ?? attack.steps,
    stepSize: options.stepSize ?? attack.stepSize ?? null,
    rampFraction: options.ramp ?? attack.rampFraction ?? 0,
    start: typeof attack.start === 'string' ? attack.start : 'normal',
  };
}

function resolveTraining({ training }: Preset, options: TrainOptions): TrainConfig['training'] {
  if (options.steps !== undefined && options.epochs !== undefined) {
    throw new UsageError('--steps and --epochs: give one of them, to say how long to train');
  }
  const own = options.steps === undefined && options.epochs === undefined;
  const { baseLr, ...schedule } = training.lr.config;
  return {
    steps: options.steps ?? (own ? (training.steps ?? null) : null),
    epochs: options.epochs ?? (own ? (training.epochs ?? null) : null),
    batchSize: options.batchSize ?? training.batchSize,
    optimizer: options.optimizer ?? training.optimizer ?? 'sgd',
    lr: options.lr ?? baseLr,
    schedule,
    momentum: options.momentum ?? training.momentum,
    weightDecay: options.weightDecay ?? training.weightDecay,
  };
}

/** The schedule of a configuration. Throws an `ArgumentError` for settings outside their domain. */
export function makeSchedule({ lr: baseLr, schedule }: TrainConfig['training']): Schedule {
  return scheduleOf({ ...schedule, baseLr });
}
