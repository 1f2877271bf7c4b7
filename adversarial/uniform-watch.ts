import type { Objective } from './objectives/objective.js';

/** Steps over which the classification term is averaged: one batch is too noisy to judge by. */
const WINDOW = 20;

/** How near, relatively, the average has to be to the value of uniform predictions to count as not having left it. */
const NEAR = 0.02;

/** What a {@link UniformWatch} has seen: part of what a run goes on from. */
export interface UniformWatchState {
  /** The classification term of the last steps, oldest first. */
  readonly latest: readonly number[];
  /** Whether it has said its sentence. */
  readonly spoken: boolean;
}

/** What a {@link UniformWatch} goes by. */
export interface UniformWatchOptions {
  readonly objective: Objective;
  readonly classes: number;
  /** The first step, from 1, at which it may speak: after the ramp of eps, or a good part of the run. */
  readonly from: number;
  /** Number of steps in all. */
  readonly steps: number;
}

/**
 * Notices a run that has learnt nothing: adversarial training at a high rate or a large eps from the start can stay for
 * hundreds of steps where all classes are equally likely, with a loss that looks like a number like any other (2.41 for ten
 * classes). Of an objective without a classification term it says nothing.
 */
export class UniformWatch {
  readonly #options: UniformWatchOptions;
  /** The value of uniform predictions; undefined where the objective does not say. */
  readonly #atUniform: number | undefined;
  #latest: number[] = [];
  #spoken = false;

  constructor(options: UniformWatchOptions) {
    this.#options = options;
    this.#atUniform = options.objective.classification?.atUniform(options.classes);
  }

  /** Whether the last steps were at the value of uniform predictions. */
  get stuck(): boolean {
    if (this.#atUniform === undefined || this.#latest.length < WINDOW) return false;
    return Math.abs(this.#mean - this.#atUniform) <= NEAR * this.#atUniform;
  }

  get state(): UniformWatchState {
    return { latest: [...this.#latest], spoken: this.#spoken };
  }

  set state({ latest, spoken }: UniformWatchState) {
    this.#latest = [...latest];
    this.#spoken = spoken;
  }

  get #mean(): number {
    return this.#latest.reduce((sum, value) => sum + value, 0) / this.#latest.length;
  }

  /** Takes note of a step; gives a sentence, once, where the run is at the value of uniform predictions. */
  note(step: number, metrics: Readonly<Record<string, number>>): string | undefined {
    const { objective, from, steps } = this.#options;
    const term = objective.classification?.term;
    const value = term === undefined ? undefined : metrics[term];
    if (term === undefined || value === undefined || this.#atUniform === undefined) return undefined;
    this.#latest.push(value);
    if (this.#latest.length > WINDOW) this.#latest.shift();
    if (this.#spoken || step < from || !this.stuck) return undefined;
    this.#spoken = true;
    return (
      `the loss is at the value of uniform predictions: ${term} is ${this.#mean.toFixed(3)} after ${step} of ${steps} ` +
      `steps, and ${this.#atUniform.toFixed(3)} means that all classes are equally likely; ` +
      'try a lower learning rate, a longer ramp of eps, or smaller weights of the other terms'
    );
  }
}
