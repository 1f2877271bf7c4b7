import { ArgumentError } from '../engine/errors.js';
import type { Tensor } from '../engine/tensor.js';
import { Adam, AdamW } from '../nn/optim/adam.js';
import type { Optimizer } from '../nn/optim/optimizer.js';
import { RMSprop } from '../nn/optim/rmsprop.js';
import { SGD, type SGDOptions } from '../nn/optim/sgd.js';

/** The optimisers that a run can name. */
export const OPTIMIZERS = ['sgd', 'adam', 'adamw', 'rmsprop'] as const;
/** One of {@link OPTIMIZERS}. */
export type OptimizerName = (typeof OPTIMIZERS)[number];

/**
 * The optimiser of a name. Weight decay is a penalty in all but `adamw`; momentum is of `sgd` and `rmsprop`, Nesterov's of `sgd`; what is not
 * named is as usual.
 *
 * @throws ArgumentError for an unknown name, Nesterov's momentum of another than `sgd`, and as the optimiser does
 */
export function optimizerNamed(name: OptimizerName, parameters: readonly Tensor[], options: SGDOptions): Optimizer {
  const { lr, momentum = 0, weightDecay = 0, nesterov = false } = options;
  if (nesterov && name !== 'sgd') throw new ArgumentError(`optimiser ${name}: has no Nesterov momentum; only sgd has`);
  switch (name) {
    case 'sgd':
      return new SGD(parameters, { lr, momentum, weightDecay, nesterov });
    case 'adam':
      return new Adam(parameters, { lr, weightDecay });
    case 'adamw':
      return new AdamW(parameters, { lr, weightDecay });
    case 'rmsprop':
      return new RMSprop(parameters, { lr, momentum, weightDecay });
    default:
      throw new ArgumentError(
        `unknown optimiser '${String(name satisfies never)}'; there are ${OPTIMIZERS.join(', ')}`,
      );
  }
}
