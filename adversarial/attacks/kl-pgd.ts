import { noGrad } from '../../engine/autograd.js';
import type { Tensor } from '../../engine/tensor.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import { klDivergence } from '../objectives/losses.js';
import type { AttackRandom, RecordedAttack } from './attack.js';
import { checkBatch } from './input-gradient.js';
import { checkPgdOptions, pgd, pgdSettings, pgdWarnings, type PgdOptions } from './pgd.js';

/** Options of {@link klPgd}. */
export type KlPgdOptions = Omit<PgdOptions, 'loss' | 'targets'>;

/**
 * The inner attack of TRADES: Zhang et al., "Theoretically principled trade-off between robustness and accuracy", ICML 2019, algorithm 1:
 * {@link pgd} that raises KL(p(x) || p(a)), from a start 'normal' unless told. p(x), of the images themselves, is a constant; labels play
 * no part but in restarts. Throws as `pgd` does.
 */
export function klPgd(model: Model, x: Tensor, labels: Tensor, options: KlPgdOptions): Tensor {
  checkBatch('klPgd', x, labels);
  return x.device.scope(() => {
    const natural = noGrad(x.device, () => inEvalMode(model, () => logitsOf(model, x)));
    const loss = (logits: Tensor): Tensor => klDivergence(natural, logits, { reduction: 'none' });
    return pgd(model, x, labels, { start: 'normal', ...options, loss });
  });
}

/** {@link klPgd} with settings, which are checked at once; throws as it does. */
export function klPgdAttack(options: Omit<KlPgdOptions, keyof AttackRandom>): RecordedAttack {
  checkPgdOptions('klPgd', options);
  return {
    settings: pgdSettings('kl-pgd', { start: 'normal', ...options }),
    warnings: pgdWarnings(options),
    run: (model, x, labels, random) => klPgd(model, x, labels, { ...options, ...random }),
  };
}
