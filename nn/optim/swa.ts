import type { ParameterArena } from './arena.js';
import { ParameterAverage, type ParameterAverageOptions } from './parameter-average.js';

/** Options of {@link SWA}. */
export type SWAOptions = ParameterAverageOptions;

/**
 * Stochastic weight averaging: Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging weights leads to wider optima and better
 * generalization", UAI 2018. The plain mean of an optimiser's parameters at its updates, from the last of the first `start` updates
 * on; one update an epoch is usual. PyTorch's `AveragedModel` with its usual average. Made by {@link Optimizer.averageEqually}.
 */
export class SWA extends ParameterAverage {
  /** @throws ArgumentError for a start that is not an integer from 1 up */
  constructor(arena: ParameterArena, options: SWAOptions = {}) {
    super('SWA', arena, options);
  }

  protected weightAt(t: number): number {
    return 1 / (t + 2);
  }
}
