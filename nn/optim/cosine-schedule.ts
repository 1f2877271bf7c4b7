import { ArgumentError } from '../../engine/errors.js';
import type { Schedule, SchedulePlace } from './schedule.js';
import { checkFromZero, checkParts, checkStep, riseAt } from './schedule-checks.js';

/** Options of {@link CosineSchedule}. */
export interface CosineScheduleOptions {
  /** The rate that the fall starts from. */
  readonly baseLr: number;
  /** The rate that the fall leads to, at most `baseLr`; 0 unless told. */
  readonly minLr?: number;
  /** Part of the run, 0 to 1, over which the rate rises linearly from near 0; 0 unless told. */
  readonly warmup?: number;
}

/**
 * A rate that falls along half a cosine, step by step: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts",
 * ICLR 2017, eq. 5, without restarts. After the w steps of the rise, step s = w + 1, ..., n has
 *
 *     minLr + (baseLr - minLr) (1 + cos(pi (s - 1 - w) / (n - w))) / 2
 *
 * so that the first is `baseLr`, and `minLr` would come right after the last: PyTorch's `CosineAnnealingLR` stepped n times.
 */
export class CosineSchedule implements Schedule {
  readonly baseLr: number;
  readonly minLr: number;
  readonly warmup: number;

  /** @throws ArgumentError for a negative rate, a `minLr` above `baseLr`, or a warmup outside [0, 1] */
  constructor({ baseLr, minLr = 0, warmup = 0 }: CosineScheduleOptions) {
    checkFromZero('CosineSchedule', { baseLr, minLr });
    checkParts('CosineSchedule', { warmup });
    if (minLr > baseLr) throw new ArgumentError(`CosineSchedule: minLr ${minLr} is above baseLr ${baseLr}`);
    this.baseLr = baseLr;
    this.minLr = minLr;
    this.warmup = warmup;
  }

  /** Its plain form. */
  get config(): { readonly name: 'cosine' } & Required<CosineScheduleOptions> {
    const { baseLr, minLr, warmup } = this;
    return { name: 'cosine', baseLr, minLr, warmup };
  }

  /** @throws ArgumentError for a step that is not an integer from 1 to `steps` */
  at({ step, steps }: Pick<SchedulePlace, 'step' | 'steps'>): number {
    checkStep('CosineSchedule', step, steps);
    const risen = this.warmup * steps;
    const fallen = Math.max(0, (step - 1 - risen) / (steps - risen));
    const lr = this.minLr + ((this.baseLr - this.minLr) * (1 + Math.cos(Math.PI * fallen))) / 2;
    return lr * riseAt(step, steps, this.warmup);
  }
}
