import type { RunOptions, StepRecord } from './trainer-options.js';

/** Measures one call of `run`, and tells how it stands. */
export class TrainingClock {
  readonly options: RunOptions;
  readonly #started = performance.now();
  readonly #firstStep: number;
  #latest: { time: number; step: number };

  constructor(options: RunOptions, firstStep: number) {
    this.options = options;
    this.#firstStep = firstStep;
    this.#latest = { time: this.#started, step: firstStep };
  }

  /** Since the call. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Hands the latest records on. */
  async progress(step: number, last: number, steps: number, records: readonly StepRecord[]): Promise<void> {
    const time = performance.now();
    const stepsPerSecond = (1000 * (step - this.#latest.step)) / Math.max(time - this.#latest.time, 1e-3);
    this.#latest = { time, step };
    const secondsElapsed = this.seconds;
    // The average over the run: the latest rate jumps about.
    const secondsLeft = ((last - step) * secondsElapsed) / Math.max(1, step - this.#firstStep);
    const epoch = records.at(-1)?.epoch ?? 1;
    await this.options.onProgress?.({ step, steps, epoch, records, stepsPerSecond, secondsElapsed, secondsLeft });
  }
}
