import type { Dataset } from '../data/dataset.js';
import { ArgumentError } from '../engine/errors.js';
import type { Seed } from '../engine/random.js';
import type { Module } from '../nn/module.js';
import type { Attack } from './attacks/attack.js';
import { checkCount } from './check-count.js';
import { evaluate } from './evaluation.js';
import type { BestValidation } from './training-checkpoint.js';

/**
 * How a run looks at images that it does not learn from. Robust accuracy on the test images must not choose a checkpoint: Rice, Wong and
 * Kolter, "Overfitting in adversarially robust deep learning", ICML 2020.
 */
export interface ValidationOptions {
  readonly dataset: Dataset;
  /** What the accuracy is measured under, such as PGD with 10 steps. */
  readonly attack: Attack;
  /** Epochs between two validations; 1 unless told. */
  readonly every?: number;
  /** Ends the run after so many validations in a row that were no better than the best before; never unless told, or where it is null. */
  readonly patience?: number | null | undefined;
}

/** What one validation found. */
export interface ValidationRecord {
  readonly epoch: number;
  readonly step: number;
  /** Accuracies, 0 to 1. */
  readonly natural: number;
  readonly robust: number;
  /** Whether no validation before had a robust accuracy as high. */
  readonly best: boolean;
}

/** The validations of a run: the best so far, and whether it is time to stop. */
export class Validation {
  readonly #options: ValidationOptions;
  /** The best so far. */
  best: BestValidation | undefined;

  /** @throws ArgumentError for counts that are no integers from 1 up, or a dataset without examples */
  constructor(options: ValidationOptions) {
    const { dataset, every = 1, patience } = options;
    checkCount('validation', 'every', every, 1);
    checkCount('validation', 'patience', patience ?? 1, 1);
    if (dataset.size === 0) throw new ArgumentError('validation: the dataset has no examples');
    this.#options = options;
  }

  /** Whether there is one at the end of an epoch, counted from 1. */
  isDue(epoch: number): boolean {
    return epoch % (this.#options.every ?? 1) === 0;
  }

  /** Whether the run has gone on for too long without getting better. */
  get isOver(): boolean {
    return (this.best?.since ?? 0) >= (this.#options.patience ?? Infinity);
  }

  /** Measures the model, in evaluation mode, and takes note of the result. */
  async run(
    model: Module,
    place: { readonly epoch: number; readonly step: number },
    { seed, signal }: { readonly seed: Seed; readonly signal?: AbortSignal | undefined },
  ): Promise<ValidationRecord> {
    const { dataset, attack } = this.#options;
    const result = await evaluate(model, dataset, { attacks: { attack }, seed, signal, examples: 0, worst: 0 });
    const robust = result.worstCase.value;
    const isBest = this.best === undefined || robust > this.best.accuracy;
    this.best = isBest
      ? { accuracy: robust, step: place.step, since: 0 }
      : { accuracy: 0, step: 0, ...this.best, since: (this.best?.since ?? 0) + 1 };
    return { ...place, natural: result.natural.accuracy.value, robust, best: isBest };
  }
}
