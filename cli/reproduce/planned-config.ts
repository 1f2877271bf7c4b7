/** TEMPORARY: the coming configuration of a run. */
import { objectiveNamed } from '../../adversarial/objectives/registry.js';
import type { OptionValues } from '../../engine/named-options.js';
import type { DatasetName, TrainConfig as Current } from '../config.js';
import type { PaperTable, RowSetting } from './tables.js';

export interface TrainConfig {
  readonly version: 1;
  readonly preset: string;
  readonly dataset: { readonly name: DatasetName; readonly folder: string | null; readonly subset: number | null };
  readonly validation: null;
  readonly augmentation: object | null;
  readonly model: {
    readonly name: string;
    readonly classes: number;
    readonly inChannels: number;
    readonly imageSize: number;
    readonly options: OptionValues;
  };
  readonly objective: { readonly name: string; readonly options: OptionValues };
  readonly attack: Current['attack'];
  readonly training: {
    readonly steps: number | null;
    readonly epochs: number | null;
    readonly batchSize: number;
    readonly accumulate: number;
    readonly optimizer: 'sgd' | 'adam';
    readonly lr: number;
    readonly schedule: Current['training']['schedule'];
    readonly momentum: number;
    readonly nesterov: boolean;
    readonly weightDecay: number;
    readonly maxNorm: number | null;
    readonly average: null;
    readonly perturbation: null;
  };
  readonly evaluation: { readonly samples: number };
  readonly seed: number;
}

export function basePaperConfig(
  dataset: PaperTable['dataset'],
  model: string,
  { objective, options }: RowSetting,
): TrainConfig {
  const digits = dataset === 'mnist';
  return {
    version: 1,
    preset: 'paper',
    dataset: { name: dataset, folder: null, subset: null },
    validation: null,
    augmentation: digits ? null : { padding: 4, flip: true },
    model: {
      name: model,
      classes: dataset === 'cifar100' ? 100 : 10,
      inChannels: digits ? 1 : 3,
      imageSize: digits ? 28 : 32,
      options: digits
        ? { width: 1, activation: 'relu', dropout: 0.5, init: 'trades' }
        : { width: 1, activation: 'relu' },
    },
    objective: { name: objective, options: objectiveNamed(objective, options).options },
    attack: digits
      ? { eps: 0.3, steps: 10, stepSize: 0.01, rampFraction: 0, start: 'normal' }
      : { eps: 0.031, steps: 10, stepSize: 0.007, rampFraction: 0, start: 'normal' },
    training: {
      steps: null,
      epochs: 100,
      batchSize: 128,
      accumulate: 1,
      optimizer: 'sgd',
      lr: digits ? 0.01 : 0.1,
      schedule: { name: 'step', drops: digits ? [55, 75, 90] : [75, 90], gamma: 0.1, warmup: 0 },
      momentum: 0.9,
      nesterov: false,
      weightDecay: model.startsWith('wrn') ? 5e-4 : 2e-4,
      maxNorm: null,
      average: null,
      perturbation: null,
    },
    evaluation: { samples: 0 },
    seed: 0,
  };
}

export function asCurrent({
  version,
  preset,
  dataset,
  model,
  objective,
  attack,
  training,
  evaluation,
  seed,
}: TrainConfig): Current {
  const { width, init, dropout } = model.options;
  const { steps, epochs, batchSize, optimizer, lr, schedule, momentum, weightDecay } = training;
  return {
    version,
    preset,
    dataset,
    model: {
      name: 'cnn4',
      classes: model.classes,
      width: Number(width),
      init: init === 'trades' ? 'trades' : 'kaimingNormal',
      dropout: Number(dropout),
    },
    objective,
    attack,
    training: { steps, epochs, batchSize, optimizer, lr, schedule, momentum, weightDecay },
    evaluation,
    seed,
  };
}
