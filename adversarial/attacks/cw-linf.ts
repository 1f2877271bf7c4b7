import type { Tensor } from '../../engine/tensor.js';
import type { Model } from '../model.js';
import type { RecordedAttack } from './attack.js';
import { partOf } from './ball.js';
import { cwLoss, targetedCwLoss, type CwLossOptions } from './losses.js';
import { checkPgdOptions, pgd, pgdSettings, pgdWarnings, type BatchOptions, type PgdOptions } from './pgd.js';

/** Options of {@link cwLinf}: those of `pgd`, with defaults. */
export interface CwLinfOptions extends Omit<PgdOptions, 'loss' | 'norm' | 'stepSize' | 'steps'>, CwLossOptions {
  /** eps / 10 unless told. */
  readonly stepSize?: number;
  /** 30 unless told. */
  readonly steps?: number;
}

/**
 * Carlini and Wagner's loss within an Linf ball, as papers on adversarial training report it under CW: {@link pgd} that raises
 * {@link cwLoss}, with kappa 50 unless told, or {@link targetedCwLoss} where there are targets. Throws as they do.
 */
export function cwLinf(model: Model, x: Tensor, labels: Tensor, options: CwLinfOptions): Tensor {
  return pgd(model, x, labels, asPgd(options));
}

/** {@link cwLinf} with settings, which are checked at once; throws as it does. */
export function cwLinfAttack(options: Omit<CwLinfOptions, BatchOptions>): RecordedAttack {
  const settings = asPgd(options);
  checkPgdOptions('cwLinf', settings);
  return {
    settings: { ...pgdSettings('cw-linf', settings), kappa: options.kappa ?? 50 },
    warnings: pgdWarnings(settings),
    run: (model, x, labels, random) => pgd(model, x, labels, { ...settings, ...random }),
  };
}

function asPgd({ kappa = 50, stepSize, steps = 30, ...options }: CwLinfOptions): PgdOptions {
  const { eps, targets } = options;
  const loss = targets ? targetedCwLoss(targets, { kappa }) : cwLoss({ kappa });
  return { ...options, stepSize: stepSize ?? partOf(eps, 1 / 10), steps, loss };
}
