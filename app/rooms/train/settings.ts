/** How a run of the room is set, and the trainer that it makes. */
import { Trainer, objectiveNamed, type TrainingCheckpoint } from '../../../adversarial/index.js';
import type { Dataset } from '../../../data/dataset.js';
import { Generator, type Device } from '../../../engine/index.js';
import type { ModelDescription } from '../../../nn/model-file.js';
import { modelNamed } from '../../../nn/models/registry.js';
import type { Module } from '../../../nn/module.js';
import { TrapezoidSchedule } from '../../../nn/optim/schedule.js';

/** An objective by name, with those of its options that are numbers. */
export interface ObjectiveChoice {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
}

/** How a run is set. */
export interface TrainSettings {
  readonly objective: ObjectiveChoice;
  /** Multiplies the channels of the network. */
  readonly width: number;
  /** Radius of the attack, in units of the data range. */
  readonly eps: number;
  readonly attackSteps: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  /** Steps between two measurements on test images, and how many images those take. */
  readonly measureEvery: number;
  readonly measureOn: number;
}

/** Small enough for a driver that computes on a processor, and enough to become robust. */
export const DEFAULTS: TrainSettings = {
  objective: { name: 'mimae-at', options: { lambda: 0.4, beta: 0.1 } },
  ...{ width: 0.25, eps: 0.1, attackSteps: 4, batchSize: 64, steps: 120, lr: 0.03, seed: 0 },
  ...{ measureEvery: 30, measureOn: 100 },
};

/** The network of a run. */
export function descriptionOf({ width }: TrainSettings): ModelDescription {
  const options = { width, activation: 'relu', dropout: 0, init: 'kaimingNormal' };
  return { name: 'cnn4', classes: 10, inChannels: 1, imageSize: 28, options };
}

/** The network with the initial values of the seed. */
export function makeModel(settings: TrainSettings, device: Device): Module {
  const { name, ...rest } = descriptionOf(settings);
  return modelNamed(name, { ...rest, device, generator: new Generator(settings.seed, { purpose: 'init' }) });
}

/**
 * The trainer of a run: eps and the learning rate grow at its beginning, so that training leaves the uniform solution.
 *
 * @param from a checkpoint of the same run, under the same or another objective, to go on from
 */
export function makeTrainer(
  settings: TrainSettings,
  { model, dataset, from }: { readonly model: Module; readonly dataset: Dataset; readonly from?: TrainingCheckpoint },
): Trainer {
  const { eps, attackSteps, batchSize, steps, lr, seed } = settings;
  const trainer = new Trainer({
    ...{ model, dataset, batchSize, steps, seed, momentum: 0.9, weightDecay: 2e-4, logEvery: 5 },
    objective: objectiveNamed(settings.objective.name, settings.objective.options),
    attack: { eps, steps: attackSteps, rampFraction: 0.3 },
    lr: new TrapezoidSchedule({ baseLr: lr, warmup: 0.3, decay: 0.3 }),
  });
  if (from) trainer.restore(from);
  return trainer;
}
