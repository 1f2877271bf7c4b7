import type { Tensor } from '../../engine/tensor.js';
import type { Model } from '../model.js';
import type { AttackRandom, RecordedAttack, Watched } from './attack.js';
import { partOf, type ClipOptions } from './ball.js';
import type { AttackLoss } from './input-gradient.js';
import { checkPgdOptions, pgd, pgdSettings, type BatchOptions, type PgdOptions } from './pgd.js';

/** Options of {@link ffgsm}. */
export interface FfgsmOptions extends ClipOptions, Partial<AttackRandom>, Watched {
  /** Radius of the Linf ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** 1.25 eps unless told, as published. */
  readonly stepSize?: number;
  /** A point to start from, in place of a random one. */
  readonly start?: Tensor;
  /** What the step raises; unless told the cross-entropy, or `targetedCrossEntropy` where there are targets. */
  readonly loss?: AttackLoss;
  /** Classes to draw the samples to, i32 `[m]`. */
  readonly targets?: Tensor;
}

/**
 * The fast attack of Wong, Rice and Kolter, "Fast is better than free: revisiting adversarial training", ICLR 2020: one long step from a
 * start that is uniform in the Linf ball, then back into ball and range. Throws as {@link pgd} does.
 */
export function ffgsm(model: Model, x: Tensor, labels: Tensor, options: FfgsmOptions): Tensor {
  return pgd(model, x, labels, asPgd(options));
}

/** {@link ffgsm} with settings, which are checked at once; throws as it does. */
export function ffgsmAttack(options: Omit<FfgsmOptions, BatchOptions>): RecordedAttack {
  checkPgdOptions('ffgsm', asPgd(options));
  return {
    settings: pgdSettings('ffgsm', asPgd(options)),
    warnings: [],
    run: (model, x, labels, random) => ffgsm(model, x, labels, { ...options, ...random }),
  };
}

function asPgd({ stepSize, ...options }: FfgsmOptions): PgdOptions {
  const range = (options.clipMax ?? 1) - (options.clipMin ?? 0);
  return { ...options, stepSize: stepSize ?? Math.min(partOf(options.eps, 1.25), range), steps: 1 };
}
