import { ArgumentError } from '../../engine/errors.js';
import type { Schedule, SchedulePlace } from './schedule.js';
import { checkCount, checkFromZero, checkParts, checkStep, riseAt } from './schedule-checks.js';

/** Options of {@link StepSchedule}. */
export interface StepScheduleOptions {
  /** The rate of the first epoch. */
  readonly baseLr: number;
  /** Epochs from whose first step on the rate is multiplied by `gamma`; epochs count from 1. None unless told. */
  readonly drops?: readonly number[];
  /** 0.1 unless told. */
  readonly gamma?: number;
  /** Part of the run, 0 to 1, over which the rate rises linearly from near 0; 0 unless told. */
  readonly warmup?: number;
}

/**
 * A rate that drops by a factor at given epochs, as PyTorch's `MultiStepLR`, whose epochs count from 0; it may rise linearly step by
 * step at first (Goyal et al., "Accurate, large minibatch SGD", 2017).
 */
export class StepSchedule implements Schedule {
  readonly baseLr: number;
  readonly drops: readonly number[];
  readonly gamma: number;
  readonly warmup: number;

  /** @throws ArgumentError for a negative rate or factor, drops that are not epochs from 1 up, or a warmup outside [0, 1] */
  constructor({ baseLr, drops = [], gamma = 0.1, warmup = 0 }: StepScheduleOptions) {
    checkFromZero('StepSchedule', { baseLr, gamma });
    checkParts('StepSchedule', { warmup });
    const list: unknown = drops;
    if (!Array.isArray(list)) throw new ArgumentError('StepSchedule: drops is no list; expected epochs from 1 up');
    for (const epoch of drops) checkCount('StepSchedule', 'drops: epoch', epoch);
    this.baseLr = baseLr;
    this.drops = [...drops];
    this.gamma = gamma;
    this.warmup = warmup;
  }

  /** Its plain form. */
  get config(): { readonly name: 'step' } & Required<StepScheduleOptions> {
    const { baseLr, drops, gamma, warmup } = this;
    return { name: 'step', baseLr, drops, gamma, warmup };
  }

  /**
   * The rate of a step, which only a warmup asks for.
   *
   * @throws ArgumentError for an epoch that is not an integer from 1 up, or, with a warmup, no step from 1 to `steps`
   */
  at({ epoch, step, steps }: Pick<SchedulePlace, 'epoch'> & Partial<SchedulePlace>): number {
    checkCount('StepSchedule', 'at: epoch', epoch);
    const lr = this.drops.reduce((rate, drop) => (drop <= epoch ? rate * this.gamma : rate), this.baseLr);
    if (this.warmup === 0) return lr;
    if (step === undefined || steps === undefined) {
      throw new ArgumentError('StepSchedule: at: a warmup goes by steps; give step and steps beside the epoch');
    }
    checkStep('StepSchedule', step, steps);
    return lr * riseAt(step, steps, this.warmup);
  }
}
