import { ArgumentError } from '../../engine/errors.js';

/** Where a run stands as it takes a step. */
export interface SchedulePlace {
  /** From 1. */
  readonly epoch: number;
  /** The step about to be taken, from 1. */
  readonly step: number;
  /** Steps of the whole run. */
  readonly steps: number;
}

/** A learning rate that changes during a run. */
export interface Schedule {
  /** The rate of a step. */
  at(place: SchedulePlace): number;
}

/** Options of {@link StepSchedule}. */
export interface StepScheduleOptions {
  /** The rate of the first epoch. */
  readonly baseLr: number;
  /** Epochs from whose first step on the rate is multiplied by `gamma`; epochs count from 1. None unless told. */
  readonly drops?: readonly number[];
  /** 0.1 unless told. */
  readonly gamma?: number;
}

/** A rate that drops by a factor at given epochs, as PyTorch's `MultiStepLR`, whose epochs count from 0. */
export class StepSchedule implements Schedule {
  readonly baseLr: number;
  readonly drops: readonly number[];
  readonly gamma: number;

  /** @throws ArgumentError for a negative rate or factor, or drops that are not epochs from 1 up */
  constructor({ baseLr, drops = [], gamma = 0.1 }: StepScheduleOptions) {
    checkFromZero('StepSchedule', { baseLr, gamma });
    for (const epoch of drops) checkCount('StepSchedule', 'drops: epoch', epoch);
    this.baseLr = baseLr;
    this.drops = [...drops];
    this.gamma = gamma;
  }

  /** @throws ArgumentError for an epoch that is not an integer from 1 up */
  at({ epoch }: Pick<SchedulePlace, 'epoch'>): number {
    checkCount('StepSchedule', 'at: epoch', epoch);
    return this.drops.reduce((lr, drop) => (drop <= epoch ? lr * this.gamma : lr), this.baseLr);
  }
}

/** Options of {@link TrapezoidSchedule}. */
export interface TrapezoidScheduleOptions {
  /** The rate between the two slopes. */
  readonly baseLr: number;
  /** Part of the run, 0 to 1, over which the rate rises linearly from near 0; 0 unless told. */
  readonly warmup?: number;
  /** Part of the run, 0 to 1, over which the rate falls linearly to near 0 at the end; 0 unless told. */
  readonly decay?: number;
}

/**
 * A rate that rises linearly, stays, and falls linearly. The rise (Goyal et al., "Accurate, large minibatch SGD", 2017) gets a
 * network through the first steps, where a full rate can throw it back to uniform predictions; the fall settles it.
 */
export class TrapezoidSchedule implements Schedule {
  readonly baseLr: number;
  readonly warmup: number;
  readonly decay: number;

  /** @throws ArgumentError for a negative rate, or parts of the run that are negative or together more than the whole */
  constructor({ baseLr, warmup = 0, decay = 0 }: TrapezoidScheduleOptions) {
    checkFromZero('TrapezoidSchedule', { baseLr, warmup, decay });
    if (warmup + decay > 1) {
      throw new ArgumentError(
        `TrapezoidSchedule: warmup ${warmup} and decay ${decay} are parts of the run; together they are more than 1`,
      );
    }
    this.baseLr = baseLr;
    this.warmup = warmup;
    this.decay = decay;
  }

  /** @throws ArgumentError for a step that is not an integer from 1 to `steps` */
  at({ step, steps }: Pick<SchedulePlace, 'step' | 'steps'>): number {
    checkCount('TrapezoidSchedule', 'at: step', step);
    if (step > steps) throw new ArgumentError(`TrapezoidSchedule: at: step ${step} of ${steps}; the run is over`);
    const rise = this.warmup > 0 ? step / (this.warmup * steps) : 1;
    const fall = this.decay > 0 ? (steps - step + 1) / (this.decay * steps) : 1;
    return this.baseLr * Math.min(1, rise, fall);
  }
}

function checkFromZero(schedule: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value >= 0 && value < Infinity)) {
      throw new ArgumentError(`${schedule}: ${name} is ${value}; expected a finite number from 0 up`);
    }
  }
}

function checkCount(schedule: string, what: string, count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new ArgumentError(`${schedule}: ${what} ${count}; expected an integer from 1 up`);
  }
}
