/** How a run of the room is set, and the trainer that it makes. */
import { Trainer, objectiveNamed, type TrainingAttack, type TrainingCheckpoint } from '../../../adversarial/index.js';
import { checkAttack } from '../../../adversarial/training-attack.js';
import type { Dataset } from '../../../data/dataset.js';
import type { ModelDescription } from '../../../nn/model-file.js';
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

/**
 * The trainer of a run: eps and the learning rate grow at its beginning, so that training leaves the uniform solution.
 *
 * @param from a checkpoint of the same run, under the same or another objective, to go on from
 */
export function makeTrainer(
  settings: TrainSettings,
  {
    model,
    dataset,
    from,
  }: { readonly model: Module; readonly dataset: Dataset; readonly from?: TrainingCheckpoint | undefined },
): Trainer {
  const { batchSize, steps, lr, seed, objective } = settings;
  const trainer = new Trainer({
    ...{ model, dataset, batchSize, steps, seed, momentum: 0.9, weightDecay: 2e-4, logEvery: 5 },
    objective: objectiveNamed(objective.name, objective.options),
    attack: attackOf(settings),
    lr: new TrapezoidSchedule({ baseLr: lr, warmup: 0.3, decay: 0.3 }),
  });
  if (from) trainer.restore(from);
  return trainer;
}

/** Throws an `ArgumentError` for options of the objective that it refuses, or that do not go with the attack. */
export function checkObjective(settings: TrainSettings): void {
  const { name, options } = settings.objective;
  checkAttack(objectiveNamed(name, options), attackOf(settings));
}

function attackOf({ eps, attackSteps }: TrainSettings): TrainingAttack {
  return { eps, steps: attackSteps, rampFraction: 0.3 };
}
