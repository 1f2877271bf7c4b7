import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import type { Seed } from '../engine/random.js';
import type { Attack } from './attacks/attack.js';
import type { EvaluatedBatch } from './evaluation-batch.js';
import type { Evaluation } from './evaluation-tally.js';
import type { Model } from './model.js';

/** How far an evaluation has come. */
export interface EvaluationProgress {
  /** What is being measured: 'natural', or the name of an attack. */
  readonly version: string;
  /** Images done, natural and of every attack. */
  readonly done: number;
  /** Images in all, as far as it is known: attacks on what is still robust may have fewer. */
  readonly total: number;
  readonly examplesPerSecond: number;
  readonly secondsElapsed: number;
  /** By the time that the images took so far; attacks differ, so it is a guess. */
  readonly secondsLeft: number;
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** What to attack with, by the names that the results go under; the natural images are evaluated in any case. */
  readonly attacks?: Readonly<Record<string, Attack>>;
  /**
   * 'all' unless told: every attack runs on every example, and its accuracy is its own. 'robust': the attacks run in their order, each on
   * the examples that were right so far; its accuracy is what it and those before it left. The worst case is the same.
   */
  readonly attackOn?: 'all' | 'robust';
  /** 100 unless told. The results hardly depend on it: each example has random numbers of its own. */
  readonly batchSize?: number;
  /** Fixes the attacks' random starts; 0 unless told. */
  readonly seed?: Seed;
  /** How many examples to return with their images, taken evenly from the classes; 10 unless told. */
  readonly examples?: number;
  /** How many of the examples that an attack fooled by the largest margin to return with their images, for each attack; 10 unless told. */
  readonly worst?: number;
  /** Where the model lives; needed where it is a function. */
  readonly device?: Device | undefined;
  /** Batches that were measured before, as `onBatch` gave them: they are not measured again. */
  readonly done?: readonly EvaluatedBatch[];
  /** Called with what was measured on each batch: to keep, so that an interrupted evaluation can be taken up again. */
  readonly onBatch?: ((batch: EvaluatedBatch) => void | Promise<void>) | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((progress: EvaluationProgress) => void | Promise<void>) | undefined;
  /** Ends the evaluation between two batches; `evaluate` then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures a classifier on a dataset: its accuracy on the natural images, under each attack, and in the worst case over all of
 * them, example by example; with 95 % intervals, confusion matrices, the sizes of the perturbations, and the joint distribution of the
 * classes that the natural and the adversarial images are given. The model runs in evaluation mode and gets its modes back. Model and
 * recorded attacks are captured (see `compile`), so neither may look at values. An attack whose images leave the range of the data, or the
 * ball that its settings name, is an error.
 *
 * @throws ArgumentError for options outside their domain, ShapeError where the model has fewer logits than the dataset has
 * classes, BulwarkError where logits are NaN or infinite or an attack breaks its bounds, and the signal's reason
 */
export async function evaluate(model: Model, dataset: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { runEvaluation } = await import('./evaluation-run.js');
  return runEvaluation(model, dataset, options);
}
