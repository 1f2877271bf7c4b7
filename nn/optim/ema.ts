import { ArgumentError } from '../../engine/errors.js';
import type { ParameterArena } from './arena.js';
import { ParameterAverage, type ParameterAverageOptions } from './parameter-average.js';

/** Options of {@link EMA}. */
export interface EMAOptions extends ParameterAverageOptions {
  /** The share of the average that an update keeps, in [0, 1); 0.999 unless told. */
  readonly decay?: number;
  /**
   * Whether the share grows with the updates t = 0, 1, ... since averaging began, as min(decay, (1 + t) / (10 + t)), so that early
   * parameters are soon forgotten; false unless told.
   */
  readonly warmup?: boolean;
}

/**
 * An exponential moving average of an optimiser's parameters: PyTorch's `AveragedModel` with `get_ema_multi_avg_fn(decay)`. The first
 * `start` updates take the parameters as they are, each later one average = decay average + (1 - decay) p. Made by
 * {@link Optimizer.average}.
 */
export class EMA extends ParameterAverage {
  readonly decay: number;
  readonly warmup: boolean;

  /** @throws ArgumentError for a decay outside [0, 1), or a start that is not an integer from 1 up */
  constructor(arena: ParameterArena, { decay = 0.999, warmup = false, ...options }: EMAOptions = {}) {
    if (!(decay >= 0 && decay < 1)) {
      throw new ArgumentError(`EMA: decay is ${decay}; expected a number from 0 up, below 1`);
    }
    super('EMA', arena, options);
    this.decay = decay;
    this.warmup = warmup;
  }

  protected weightAt(t: number): number {
    return 1 - (this.warmup ? Math.min(this.decay, (1 + t) / (10 + t)) : this.decay);
  }
}
