import { ArgumentError } from '../../engine/errors.js';
import type { Schedule, SchedulePlace } from './schedule.js';
import { checkFromZero, checkParts, checkStep, riseAt } from './schedule-checks.js';

/** Options of {@link CyclicSchedule}. */
export interface CyclicScheduleOptions {
  /** The rate at the peak. */
  readonly baseLr: number;
  /** The rate at both ends, at most `baseLr`; 0 unless told. */
  readonly minLr?: number;
  /** Part of the run, 0 to 1, at which the peak is; 0.5 unless told. */
  readonly peak?: number;
}

/**
 * One triangular cycle over the run, step by step: Smith, "Cyclical learning rates for training neural networks", WACV 2017, as fast
 * adversarial training has it (Wong, Rice and Kolter 2020; their peak is at 0.5 on CIFAR-10, at 0.4 on MNIST). The rate is never
 * quite at the ends, for a step at rate 0 would learn nothing.
 */
export class CyclicSchedule implements Schedule {
  readonly baseLr: number;
  readonly minLr: number;
  readonly peak: number;

  /** @throws ArgumentError for a negative rate, a `minLr` above `baseLr`, or a peak outside [0, 1] */
  constructor({ baseLr, minLr = 0, peak = 0.5 }: CyclicScheduleOptions) {
    checkFromZero('CyclicSchedule', { baseLr, minLr });
    checkParts('CyclicSchedule', { peak });
    if (minLr > baseLr) throw new ArgumentError(`CyclicSchedule: minLr ${minLr} is above baseLr ${baseLr}`);
    this.baseLr = baseLr;
    this.minLr = minLr;
    this.peak = peak;
  }

  /** Its plain form. */
  get config(): { readonly name: 'cyclic' } & Required<CyclicScheduleOptions> {
    const { baseLr, minLr, peak } = this;
    return { name: 'cyclic', baseLr, minLr, peak };
  }

  /** @throws ArgumentError for a step that is not an integer from 1 to `steps` */
  at({ step, steps }: Pick<SchedulePlace, 'step' | 'steps'>): number {
    checkStep('CyclicSchedule', step, steps);
    // The way down is the way up from the other end.
    const share = Math.min(riseAt(step, steps, this.peak), riseAt(steps - step + 1, steps, 1 - this.peak));
    return this.minLr + (this.baseLr - this.minLr) * share;
  }
}
