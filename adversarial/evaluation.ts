import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import { ArgumentError } from '../engine/errors.js';
import { Generator, type Seed } from '../engine/random.js';
import { Module } from '../nn/module.js';
import { checkCount } from './check-count.js';
import type { Attack } from './attacks/attack.js';
import { BatchMeasurement, NATURAL, type EvaluatedBatch } from './evaluation-batch.js';
import { EvaluationTally, type Evaluation } from './evaluation-tally.js';
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
  const { attacks = {}, attackOn = 'all', batchSize = 100, seed = 0, examples = 10, worst = 10 } = options;
  checkOptions(dataset, options);
  const device = options.device ?? (model instanceof Module ? model.device : undefined);
  if (!device) throw new ArgumentError('evaluate: the model is a function; say where it lives by the option device');
  const tally = new EvaluationTally(dataset, attacks, { examples, worst });
  const versions = [[NATURAL, undefined] as const, ...Object.entries(attacks)];
  const clock = new Clock(options);
  const before = new Map((options.done ?? []).map((batch) => [keyOf(batch.version, batch.indices), batch]));
  for (const [number, [version, attack]] of versions.entries()) {
    const left = attack && attackOn === 'robust' ? tally.robust() : Array.from({ length: dataset.size }, (_, i) => i);
    // Every attack starts the same stream, so that adding one changes nothing for the others.
    const generator = new Generator(seed, { purpose: 'start' });
    const showing = (batch: EvaluatedBatch): readonly number[] => tally.shows(batch);
    const measurement = new BatchMeasurement({ device, model, dataset, version, attack, generator, showing });
    try {
      for (let start = 0; start < left.length; start += batchSize) {
        const indices = left.slice(start, start + batchSize);
        const known = before.get(keyOf(version, indices));
        options.signal?.throwIfAborted();
        const batch = known ?? (await measurement.run(indices, options.signal));
        tally.add(batch);
        if (!known) await options.onBatch?.(batch);
        const ahead = left.length - start - indices.length + (versions.length - 1 - number) * left.length;
        await clock.tick({ version, measured: known ? 0 : indices.length, skipped: known ? indices.length : 0, ahead });
      }
    } finally {
      measurement.dispose();
    }
  }
  return tally.result({ attackOn, seconds: clock.seconds });
}

function keyOf(version: string, indices: readonly number[]): string {
  return `${version} ${indices.join()}`;
}

/** Says how far it is. */
class Clock {
  readonly #onProgress: EvaluateOptions['onProgress'];
  readonly #started = performance.now();
  #measured = 0;
  #skipped = 0;

  constructor({ onProgress }: EvaluateOptions) {
    this.#onProgress = onProgress;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  async tick(batch: {
    version: string;
    measured: number;
    skipped: number;
    /** Images that are still to come. */
    ahead: number;
  }): Promise<void> {
    this.#measured += batch.measured;
    this.#skipped += batch.skipped;
    const done = this.#measured + this.#skipped;
    const secondsElapsed = this.seconds;
    const examplesPerSecond = this.#measured / Math.max(secondsElapsed, 1e-6);
    await this.#onProgress?.({
      version: batch.version,
      done,
      total: done + batch.ahead,
      examplesPerSecond,
      secondsElapsed,
      secondsLeft: batch.ahead / Math.max(examplesPerSecond, 1e-9),
    });
  }
}

function checkOptions(dataset: Dataset, options: EvaluateOptions): void {
  const { attacks = {}, attackOn = 'all', batchSize = 100, examples = 10, worst = 10 } = options;
  for (const [name, value, least] of [
    ['batchSize', batchSize, 1],
    ['examples', examples, 0],
    ['worst', worst, 0],
  ] as const) {
    checkCount('evaluate', name, value, least);
  }
  if (!['all', 'robust'].includes(attackOn)) {
    throw new ArgumentError(`evaluate: attackOn is '${attackOn}'; expected all or robust`);
  }
  if (NATURAL in attacks) {
    throw new ArgumentError("evaluate: 'natural' names the results without an attack; give the attack another name");
  }
  if (dataset.size === 0) throw new ArgumentError(`evaluate: ${dataset.name} has no examples`);
}
