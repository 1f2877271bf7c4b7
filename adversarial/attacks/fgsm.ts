import type { Tensor } from '../../engine/tensor.js';
import { inEvalMode, type Model } from '../model.js';
import type { RecordedAttack, Watched } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch, inputGradient, sampleCrossEntropy, type AttackLoss } from './input-gradient.js';
import { linfStep } from './linf.js';
import { targetedCrossEntropy } from './losses.js';

/**
 * The fast gradient sign method: Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015.
 *
 *     x' = clip(x + eps * sign(grad_x loss(f(x), y)))
 *
 * One step from the image itself. (Scripts that step once from a random start report something else under this name.)
 */

/** Options of {@link fgsm}. */
export interface FgsmOptions extends ClipOptions, Watched {
  /** Radius of the Linf ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** What the step raises; unless told the cross-entropy, or `targetedCrossEntropy` where there are targets. */
  readonly loss?: AttackLoss;
  /** Classes to draw the samples to, i32 `[m]`. */
  readonly targets?: Tensor;
}

/**
 * Adversarial versions of images `x` `[m, ...]` (f32, in the range of the data) with classes `labels` (i32 `[m]`), by the fast
 * gradient sign method. Only records work. The model runs in evaluation mode and gets its modes back; parameters, gradients and
 * running statistics stay as they are.
 *
 * Throws an `ArgumentError` for an eps below 0 or over the range of the data, a `ShapeError` or `DTypeError` for a batch that is
 * none.
 */
export function fgsm(model: Model, x: Tensor, labels: Tensor, options: FgsmOptions): Tensor {
  const { eps, targets } = options;
  const { loss = targets ? targetedCrossEntropy(targets) : sampleCrossEntropy } = options;
  const clip = checkBall('fgsm', eps, options);
  checkBatch('fgsm', x, labels);
  return x.device.scope(() =>
    inEvalMode(model, () => {
      const gradient = inputGradient(model, x, labels, loss);
      const end = linfStep(x, gradient, x, { eps, stepSize: eps, ...clip });
      for (const point of [x, end]) options.onPoint?.(point);
      return end;
    }),
  );
}

/** {@link fgsm} with settings, which are checked at once; throws as it does. */
export function fgsmAttack(options: Omit<FgsmOptions, 'targets' | keyof Watched>): RecordedAttack {
  checkBall('fgsm', options.eps, options);
  return {
    settings: { attack: 'fgsm', norm: 'linf', eps: options.eps },
    warnings: [],
    run: (model, x, labels) => fgsm(model, x, labels, options),
  };
}
