import { ArgumentError } from '../../engine/errors.js';

/** A learning rate that depends on the epoch. */
export interface Schedule {
  /** The rate of an epoch; epochs count from 1. */
  at(epoch: number): number;
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
    for (const [name, value] of Object.entries({ baseLr, gamma })) {
      if (!(value >= 0 && value < Infinity)) {
        throw new ArgumentError(`StepSchedule: ${name} is ${value}; expected a finite number from 0 up`);
      }
    }
    for (const epoch of drops) checkEpoch('drops', epoch);
    this.baseLr = baseLr;
    this.drops = [...drops];
    this.gamma = gamma;
  }

  /** @throws ArgumentError for an epoch that is not an integer from 1 up */
  at(epoch: number): number {
    checkEpoch('at', epoch);
    return this.drops.reduce((lr, drop) => (drop <= epoch ? lr * this.gamma : lr), this.baseLr);
  }
}

function checkEpoch(what: string, epoch: number): void {
  if (!Number.isInteger(epoch) || epoch < 1) {
    throw new ArgumentError(`StepSchedule: ${what}: epoch ${epoch}; expected an integer from 1 up`);
  }
}
