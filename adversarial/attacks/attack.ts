import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Model } from '../model.js';
import { fgsm, type FgsmOptions } from './fgsm.js';
import { checkBall } from './linf.js';
import { budgetWarning, checkPgdOptions, pgd, type PgdOptions } from './pgd.js';

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

/** {@link fgsm} with settings, which are checked at once; throws as it does. */
export function fgsmAttack(options: FgsmOptions): Attack {
  checkBall('fgsm', options.eps, options);
  return {
    settings: { attack: 'fgsm', norm: 'linf', eps: options.eps },
    warnings: [],
    run: (model, x, labels) => fgsm(model, x, labels, options),
  };
}

/** {@link pgd} with settings, which are checked at once; throws as it does. */
export function pgdAttack(options: Omit<PgdOptions, 'generator'>): Attack {
  const { eps, stepSize, steps, start = 'uniform' } = options;
  checkPgdOptions('pgd', options);
  const warning = budgetWarning({ eps, stepSize, steps });
  return {
    settings: {
      attack: 'pgd',
      norm: 'linf',
      eps,
      stepSize,
      steps,
      start: typeof start === 'string' ? start : 'given',
    },
    warnings: warning === undefined ? [] : [warning],
    run: (model, x, labels, generator) => pgd(model, x, labels, { ...options, generator }),
  };
}
