import { ArgumentError } from '../../engine/errors.js';
import { apgdAttack, apgdTargetedAttack } from './apgd.js';
import type { HostedAttack } from './attack.js';
import type { ClipOptions } from './ball.js';
import { fabTargetedAttack } from './fab.js';
import { inTurn } from './in-turn.js';
import { squareAttack } from './square.js';

/** Options of {@link autoAttack}. */
export interface AutoAttackOptions extends ClipOptions {
  /** The ball's norm; 'linf' unless told. */
  readonly norm?: 'linf' | 'l2';
  /** Radius of the ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /**
   * 'standard' unless told: APGD on the cross-entropy, targeted APGD, targeted FAB and Square. 'rand', for a model that draws random
   * numbers: APGD on the cross-entropy and on the difference of logits ratio, with gradients averaged over 20 passes.
   */
  readonly version?: 'standard' | 'rand';
}

/** Passes that the version 'rand' averages gradients over. */
const RANDOM_PASSES = 20;

/**
 * The attacks of AutoAttack, by name and in their order: for `evaluate`, with `attackOn: 'robust'`, which then tells what each of them
 * leaves.
 *
 * @throws ArgumentError for options outside their domain
 */
export function autoAttackParts({ version = 'standard', ...ball }: AutoAttackOptions): Record<string, HostedAttack> {
  if (version === 'standard') {
    return {
      'apgd-ce': apgdAttack({ ...ball, loss: 'ce' }),
      'apgd-t': apgdTargetedAttack(ball),
      'fab-t': fabTargetedAttack(ball),
      square: squareAttack(ball),
    };
  }
  // Callers without types can pass anything.
  if ((version as string) !== 'rand') {
    throw new ArgumentError(`autoAttack: unknown version '${version as string}'; there are standard and rand`);
  }
  return {
    'apgd-ce': apgdAttack({ ...ball, loss: 'ce', passes: RANDOM_PASSES }),
    'apgd-dlr': apgdAttack({ ...ball, loss: 'dlr', passes: RANDOM_PASSES }),
  };
}

/**
 * AutoAttack: Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks", ICML
 * 2020, without any setting to tune: each attack runs on the samples that those before left, and the result is the worst case over all.
 * 'standard' needs 4 classes or more, 'rand' 3.
 *
 * @throws ArgumentError for options outside their domain
 */
export function autoAttack(options: AutoAttackOptions): HostedAttack {
  const { norm = 'linf', eps, version = 'standard' } = options;
  return inTurn('autoattack', Object.values(autoAttackParts(options)), { norm, eps, version });
}
