import type { AugmentationOptions } from '../data/augmentation.js';
import type { Dataset } from '../data/dataset.js';
import type { Seed } from '../engine/random.js';
import type { Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';
import type { Optimizer } from '../nn/optim/optimizer.js';
import type { Schedule } from '../nn/optim/schedule.js';
import type { SGDOptions } from '../nn/optim/sgd.js';
import type { WeightPerturbationOptions } from './awp.js';
import type { OptimizerName } from './named-optimizer.js';
import type { Objective, ObjectiveFunction } from './objectives/objective.js';
import type { StepMetrics } from './step-metrics.js';
import type { TrainingAttack } from './training-attack.js';
import type { BestValidation } from './training-checkpoint.js';
import type { ValidationOptions, ValidationRecord } from './training-validation.js';
import type { WeightAverageOptions } from './weight-average.js';

/** What `Trainer` trains, on what, and how. */
export interface TrainerOptions extends Omit<SGDOptions, 'lr'> {
  readonly model: Module;
  readonly dataset: Dataset;
  /** What to minimise: an objective, or just a function of natural logits, adversarial logits and labels (see `objectiveOf`). */
  readonly objective: Objective | ObjectiveFunction;
  /** Needed by objectives that want adversarial images and do not make them by themselves; what their `attackPlan` sets goes before. Its start is 'normal' unless told. */
  readonly attack?: TrainingAttack | undefined;
  readonly batchSize: number;
  /**
   * 'sgd' unless told; see `optimizerNamed`. For other options of one, or one of your own, a function that makes it of the model's parameters,
   * in this order, and of `lr`, `momentum`, `weightDecay` and `nesterov`, such as
   * `(parameters, options) => new Adam(parameters, { ...options, betas: [0.5, 0.999] })`. The trainer sets its `lr` in each step, and frees it.
   */
  readonly optimizer?:
    OptimizerName | ((parameters: readonly Tensor[], options: Required<SGDOptions>) => Optimizer) | undefined;
  /** Clips the gradients to this L2 norm, all of them together; the metrics then have the norm before, `gradientNorm`. */
  readonly maxNorm?: number | undefined;
  /** Parts that each batch is learned from in turn, for batches that have no room at once; 1 unless told. See `stepInParts`. */
  readonly accumulate?: number | undefined;
  /** What the images go through in training, before the attack; nothing unless told. */
  readonly augmentation?: AugmentationOptions | undefined;
  /**
   * An average of the parameters to keep, which validations look at. The model itself goes on with the parameters that it trains: after the
   * run, `adoptAverage()` has it hold the average. None unless told.
   */
  readonly average?: WeightAverageOptions | undefined;
  /** Adversarial weight perturbation, once `after` epochs (0 unless told) are done; none unless told. */
  readonly perturbation?: (WeightPerturbationOptions & { readonly after?: number }) | undefined;
  /** Images to measure robust accuracy on at the ends of epochs; none unless told. */
  readonly validation?: ValidationOptions | undefined;
  /** How long to train: one of `epochs` and `steps`. */
  readonly epochs?: number | undefined;
  readonly steps?: number | undefined;
  /** The learning rate, or how it changes during the run. */
  readonly lr: number | Schedule;
  /** Fixes the order of the examples and the starts of the attack; 0 unless told. (Initial weights and dropout: the model's.) */
  readonly seed?: Seed | undefined;
  /** Leave out the last batch of an epoch where it is smaller than the others; false unless told. */
  readonly dropLast?: boolean | undefined;
  /** Steps between two readings of the metrics; 10 unless told. */
  readonly logEvery?: number | undefined;
}

/** One training step as it is logged. */
export interface StepRecord {
  /** From 1. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly lr: number;
  /** Radius of the attack in this step; 0 without an attack, and for an objective that makes its own images. */
  readonly eps: number;
  /** The objective's `total` and terms, `naturalAccuracy` and `adversarialAccuracy` where they were computed. */
  readonly metrics: StepMetrics;
  /** The largest values that terms can have in a batch of this size, by name, for those that have one. */
  readonly maxima: StepMetrics;
}

/** How a run stands, every `logEvery` steps. */
export interface TrainingProgress {
  /** Steps done. */
  readonly step: number;
  /** Steps in all. */
  readonly steps: number;
  readonly epoch: number;
  /** The steps since the last time, oldest first. */
  readonly records: readonly StepRecord[];
  /** Steps in a second, since the last time. */
  readonly stepsPerSecond: number;
  readonly secondsElapsed: number;
  readonly secondsLeft: number;
}

/** Where a run stands after a step. */
export interface TrainingPlace {
  /** From 1. */
  readonly epoch: number;
  /** Steps done. */
  readonly step: number;
}

/** What to do during `Trainer.run`. Callbacks may be asynchronous: the next step waits for them. */
export interface RunOptions {
  /** Every `logEvery` steps and after the last. */
  readonly onProgress?: ((progress: TrainingProgress) => void | Promise<void>) | undefined;
  /** After each step, which may still be waiting on the GPU: a place for one's own code that needs no numbers. */
  readonly onStep?: ((place: TrainingPlace) => void | Promise<void>) | undefined;
  /** After the last step of an epoch. */
  readonly onEpoch?: ((place: TrainingPlace) => void | Promise<void>) | undefined;
  /**
   * After a validation. The model still holds what was validated, the averages where there are any: where the record says `best`, the place
   * to save it.
   */
  readonly onValidation?: ((record: ValidationRecord) => void | Promise<void>) | undefined;
  /** A sentence about something doubtful; a trainer says each once. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /**
   * After every `checkpointEvery` steps, once their metrics were handed on, where variants of kernels were measured in between, and after
   * the last step, also of a run that the signal ends: the place to write `checkpoint()` down.
   */
  readonly onCheckpoint?: ((place: TrainingPlace) => void | Promise<void>) | undefined;
  /** After the last step only unless told. */
  readonly checkpointEvery?: number | undefined;
  /** The step to stop after; the last one unless told. */
  readonly until?: number | undefined;
  /**
   * Ends the run between two steps: `onProgress` gets the steps not yet reported, and `run` rejects with the signal's reason.
   * The model is as after the last step.
   */
  readonly signal?: AbortSignal | undefined;
}

/** How a run ended. */
export interface TrainingResult {
  /** Steps done in all. */
  readonly steps: number;
  readonly seconds: number;
  /** Whether validations had stopped getting better, so that the run ended before its last step. */
  readonly stoppedEarly: boolean;
  /** The best validation, where there was one. */
  readonly best: BestValidation | undefined;
  /** Whether the last steps' loss was still at the value of uniform predictions. */
  readonly stuckAtUniform: boolean;
  readonly warnings: readonly string[];
}
