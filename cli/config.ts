import type { OptionValue, OptionValues } from '../adversarial/objectives/objective.js';
import { objectiveNamed } from '../adversarial/objectives/registry.js';
import type { Preset } from '../adversarial/presets.js';
import type { Cnn4Init } from '../nn/models/cnn4.js';
import { StepSchedule, TrapezoidSchedule } from '../nn/optim/schedule.js';
import { UsageError, asUsage } from './errors.js';

/** The names of the datasets that there are. */
export const DATASETS = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'shapes32', 'folder'] as const;
export type DatasetName = (typeof DATASETS)[number];

/** The names of the models that there are. */
export const MODELS = ['cnn4'] as const;
export type ModelName = (typeof MODELS)[number];

/** The optimisers that there are. */
export const OPTIMIZERS = ['sgd', 'adam'] as const;
export type OptimizerName = (typeof OPTIMIZERS)[number];

/** A model, as far as it takes to build it anew. */
export interface ModelConfig {
  readonly name: ModelName;
  readonly width: number;
  readonly classes: number;
  readonly init: Cnn4Init;
  readonly dropout: number;
}

/**
 * How the learning rate changes: times `gamma` from each epoch of `drops` on, or linearly up and down over the parts `warmup`
 * and `decay` of the run.
 */
export type ScheduleConfig =
  | { readonly name: 'step'; readonly drops: readonly number[]; readonly gamma: number }
  | { readonly name: 'trapezoid'; readonly warmup: number; readonly decay: number };

/** Every setting of a training run, resolved: what `config.json` holds. */
export interface TrainConfig {
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
  readonly seed: number;
}

/** MNIST's. */
const CLASSES = 10;

/**
 * A preset with the command line's options in place of its own.
 *
 * @throws UsageError for an unknown objective, options that it does not have, or both of steps and epochs
 */
export function resolveConfig(preset: Preset, options: TrainOptions): TrainConfig {
  const objective = resolveObjective(preset, options);
  return {
    preset: preset.name,
    dataset: { name: options.dataset, folder: options.data ?? null, subset: options.subset ?? null },
    model: { name: options.model, classes: CLASSES, ...preset.model, width: options.width ?? preset.model.width },
    objective: { name: objective.name, options: objective.options },
    attack: resolveAttack(preset, options),
    training: resolveTraining(preset, options),
    seed: options.seed,
  };
}

function resolveObjective(preset: Preset, options: TrainOptions): TrainConfig['objective'] {
  const { objective: name = preset.objective.name, lambda, beta, pairReduction, set = {} } = options;
  const own = name === preset.objective.name ? preset.objective.options : {};
  const given = Object.entries({ lambda, beta, pairReduction }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  const twice = given.find(([key]) => key in set);
  if (twice) throw new UsageError(`--set ${twice[0]}: is given by an option of its own too; take one of the two`);
  return asUsage(() => objectiveNamed(name, { ...own, ...Object.fromEntries(given), ...set }));
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
  return {
    steps: options.steps ?? (own ? (training.steps ?? null) : null),
    epochs: options.epochs ?? (own ? (training.epochs ?? null) : null),
    batchSize: options.batchSize ?? training.batchSize,
    optimizer: options.optimizer ?? training.optimizer ?? 'sgd',
    lr: options.lr ?? training.lr.baseLr,
    schedule: scheduleConfig(training.lr),
    momentum: options.momentum ?? training.momentum,
    weightDecay: options.weightDecay ?? training.weightDecay,
  };
}

function scheduleConfig(schedule: StepSchedule | TrapezoidSchedule): ScheduleConfig {
  if (schedule instanceof StepSchedule) return { name: 'step', drops: schedule.drops, gamma: schedule.gamma };
  return { name: 'trapezoid', warmup: schedule.warmup, decay: schedule.decay };
}

/** The schedule of a configuration. Throws an `ArgumentError` for settings outside their domain. */
export function makeSchedule({ lr: baseLr, schedule }: TrainConfig['training']): StepSchedule | TrapezoidSchedule {
  return schedule.name === 'step'
    ? new StepSchedule({ baseLr, ...schedule })
    : new TrapezoidSchedule({ baseLr, ...schedule });
}
