import { ArgumentError } from '../../engine/errors.js';
import type { Schedule, SchedulePlace } from './schedule.js';
import { checkFromZero, checkStep, riseAt } from './schedule-checks.js';

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

  /** Its plain form. */
  get config(): { readonly name: 'trapezoid' } & Required<TrapezoidScheduleOptions> {
    const { baseLr, warmup, decay } = this;
    return { name: 'trapezoid', baseLr, warmup, decay };
  }

  /** @throws ArgumentError for a step that is not an integer from 1 to `steps` */
  at({ step, steps }: Pick<SchedulePlace, 'step' | 'steps'>): number {
    checkStep('TrapezoidSchedule', step, steps);
    const fall = this.decay > 0 ? (steps - step + 1) / (this.decay * steps) : 1;
    return this.baseLr * Math.min(riseAt(step, steps, this.warmup), fall);
  }
}
