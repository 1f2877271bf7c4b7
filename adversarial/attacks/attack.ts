import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Model } from '../model.js';

/** An attack with its settings, ready to run on one batch after another. A new one is an object with these members. */
export interface Attack {
  /** What a report says of it: names and values of the settings. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** What is doubtful about the settings, in sentences. */
  readonly warnings: readonly string[];
  /**
   * Adversarial versions of a batch; random numbers come from the generator, sample by sample. Only records work: `evaluate` captures
   * it (see `compile`).
   */
  readonly run: (model: Model, x: Tensor, labels: Tensor, generator: Generator) => Tensor;
}
