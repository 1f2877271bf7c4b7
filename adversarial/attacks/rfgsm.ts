import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { add, clamp, mul, sign } from '../../engine/ops/elementwise.js';
import { randn } from '../../engine/ops/random.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Model } from '../model.js';
import type { AttackRandom, RecordedAttack, Watched } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch, type AttackLoss } from './input-gradient.js';
import { pgd, type BatchOptions } from './pgd.js';
import { perSample } from './rows.js';

/** Options of {@link rfgsm}. */
export interface RfgsmOptions extends ClipOptions, Partial<AttackRandom>, Watched {
  /** Radius of the Linf ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /**
   * 'tramer' unless told: one step of `eps - stepSize` after a random one of `stepSize`. 'torchattacks': a random step of `stepSize`, then
   * `steps` of the same length, back into the ball after each.
   */
  readonly definition?: 'tramer' | 'torchattacks';
  /** Length of the random step, from 0 to eps: eps / 2 unless told, or eps / 4 by the definition of torchattacks. */
  readonly stepSize?: number;
  /** Steps by the definition of torchattacks, 10 unless told. */
  readonly steps?: number;
  /** A point to start from, in place of the random step's end. */
  readonly start?: Tensor;
  /** What the steps raise; unless told the cross-entropy, or `targetedCrossEntropy` where there are targets. */
  readonly loss?: AttackLoss;
  /** Classes to draw the samples to, i32 `[m]`. */
  readonly targets?: Tensor;
}

/**
 * FGSM after a random step, x + stepSize sign(n) with n normal: Tramer, Kurakin, Papernot, Goodfellow, Boneh and McDaniel, "Ensemble
 * adversarial training: attacks and defenses", ICLR 2018, section 3.2; or what torchattacks calls by the same name.
 *
 * @throws as {@link pgd} does, and ArgumentError for a stepSize that is not above 0 and at most eps, or an unknown definition
 */
export function rfgsm(model: Model, x: Tensor, labels: Tensor, options: RfgsmOptions): Tensor {
  const { eps, stepSize, steps, clipMin, clipMax, definition } = resolved(options);
  checkBatch('rfgsm', x, labels);
  const { device } = x;
  const { loss, targets, start: given, onPoint } = options;
  return device.scope(() => {
    const start =
      given ??
      noGrad(device, () => {
        const direction = sign(perSample(x, x.shape, options, randn));
        return clamp(add(x, mul(direction, stepSize)), { min: clipMin, max: clipMax });
      });
    const length = definition === 'tramer' ? eps - stepSize : stepSize;
    if (length === 0) {
      onPoint?.(start);
      return start;
    }
    const aim = { ...(loss && { loss }), ...(targets && { targets }) };
    return pgd(model, x, labels, { eps, stepSize: length, steps, start, clipMin, clipMax, onPoint, ...aim });
  });
}

/** {@link rfgsm} with settings, which are checked at once; throws as it does. */
export function rfgsmAttack(options: Omit<RfgsmOptions, BatchOptions>): RecordedAttack {
  const { eps, stepSize, steps, definition } = resolved(options);
  return {
    settings: { attack: 'rfgsm', norm: 'linf', eps, definition, stepSize, steps },
    warnings: [],
    run: (model, x, labels, random) => rfgsm(model, x, labels, { ...options, ...random }),
  };
}

function resolved({ eps, definition = 'tramer', ...options }: RfgsmOptions) {
  const clip = checkBall('rfgsm', eps, options);
  const { stepSize = definition === 'tramer' ? eps / 2 : eps / 4 } = options;
  if (!['tramer', 'torchattacks'].includes(definition)) {
    throw new ArgumentError(`rfgsm: unknown definition '${definition}'; there are tramer and torchattacks`);
  }
  if (!(stepSize >= 0 && stepSize <= eps)) {
    throw new ArgumentError(`rfgsm: stepSize is ${stepSize}; expected a part of eps, 0 to ${eps}`);
  }
  const steps = definition === 'tramer' ? 1 : (options.steps ?? 10);
  return { eps, definition, stepSize, steps, ...clip };
}
