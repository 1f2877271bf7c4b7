import type { Dataset } from '../data/dataset.js';
import { ArgumentError } from '../engine/errors.js';
import { Generator } from '../engine/random.js';
import { Module } from '../nn/module.js';
import { checkCount } from './check-count.js';
import { BatchMeasurement, NATURAL, type EvaluatedBatch } from './evaluation-batch.js';
import { EvaluationTally, type Evaluation } from './evaluation-tally.js';
import type { Model } from './model.js';
import type { EvaluateOptions } from './evaluation.js';

/** The work of `evaluate`, which loads it when it is called. */
export async function runEvaluation(model: Model, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
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
