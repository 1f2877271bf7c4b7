import type { Tensor } from '../../engine/tensor.js';
import type { Model } from '../model.js';
import type { RecordedAttack, Watched } from './attack.js';
import { partOf, type ClipOptions } from './ball.js';
import type { AttackLoss } from './input-gradient.js';
import { checkPgdOptions, pgd, pgdSettings, pgdWarnings, type BatchOptions, type PgdOptions } from './pgd.js';

/** Options of {@link bim}. */
export interface BimOptions extends ClipOptions, Watched {
  /** Radius of the Linf ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** eps / 4 unless told. */
  readonly stepSize?: number;
  /** 10 unless told. */
  readonly steps?: number;
  /** What the steps raise; unless told the cross-entropy, or `targetedCrossEntropy` where there are targets. */
  readonly loss?: AttackLoss;
  /** Classes to draw the samples to, i32 `[m]`. */
  readonly targets?: Tensor;
}

/**
 * The basic iterative method: Kurakin, Goodfellow and Bengio, "Adversarial examples in the physical world", ICLR 2017: {@link pgd} from the
 * images themselves, within an Linf ball. Throws as `pgd` does.
 */
export function bim(model: Model, x: Tensor, labels: Tensor, options: BimOptions): Tensor {
  return pgd(model, x, labels, asPgd(options));
}

/** {@link bim} with settings, which are checked at once; throws as it does. */
export function bimAttack(options: Omit<BimOptions, BatchOptions>): RecordedAttack {
  const settings = asPgd(options);
  checkPgdOptions('bim', settings);
  return {
    settings: pgdSettings('bim', settings),
    warnings: pgdWarnings(settings),
    run: (model, x, labels) => pgd(model, x, labels, settings),
  };
}

function asPgd({ stepSize, steps = 10, ...options }: BimOptions): PgdOptions {
  return { ...options, stepSize: stepSize ?? partOf(options.eps, 1 / 4), steps, start: 'none' };
}
