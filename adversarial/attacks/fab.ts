import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { le, where } from '../../engine/ops/elementwise.js';
import { type Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { type Model } from '../model.js';
import type { HostedAttack, HostedRun } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch } from './input-gradient.js';
import { perImage } from './rows.js';

/**
 * FAB-T, the targeted fast adaptive boundary attack: Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary
 * attack", ICML 2020, algorithm 1, in the targeted form that AutoAttack runs. For each of several classes t it looks for the nearest image of the
 * class: at a point a, the boundary f_t = f_y made linear is a hyperplane, and with d(p) the shortest step from p onto it within the range,
 *
 *     alpha = min(||d(a)|| / (||d(a)|| + ||d(x)||), 0.1)
 *     a    <- clip((1 - alpha) (a + 1.05 d(a)) + alpha (x + 1.05 d(x)))
 *
 * and where a is misclassified it counts if it is the nearest so far, and goes back towards x: a <- x + 0.9 (a - x).
 */

/** Options of {@link fabTargeted}. */
export interface FabTargetedOptions extends ClipOptions {
  /** The norm to be near by; 'linf' unless told. */
  readonly norm?: 'linf' | 'l2';
  /** Iterations for each class; 100 unless told. */
  readonly steps?: number;
  /** How many classes to aim at, those with the largest logits but for the true one; 9 unless told, and at most C - 1. */
  readonly targets?: number;
  /** Ends the attack between two iterations; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link fabTargeted} gives, for images `[m, ...]`. */
export interface FabResult {
  /** The nearest image of each sample that was misclassified; the image itself where there is none, or where it is one. */
  readonly images: Tensor;
  /** How far it is by the norm, `[m]`: 0 where the image itself is misclassified, {@link FAB_NOT_FOUND} where none was found. */
  readonly distances: Tensor;
}

/** The distance where nothing was found. */
export const FAB_NOT_FOUND = 1e10;

/**
 * The nearest images found that the model misclassifies, for images `x` `[m, ...]` (f32, in the range of the data) with classes `labels`
 * (i32 `[m]`). Nothing in it is random. The model runs in evaluation mode and gets its modes back.
 *
 * @throws ArgumentError for options outside their domain or fewer than two classes, ShapeError or DTypeError for a batch that is none, and
 * the signal's reason
 */
export async function fabTargeted(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: FabTargetedOptions = {},
): Promise<FabResult> {
  const settings = checkOptions(options);
  checkBatch('fabTargeted', x, labels);
  const { searchFab } = await import('./fab-search.js');
  return searchFab(model, x, labels, options, settings);
}

/** Options of {@link fabTargetedAttack}. */
export interface FabTargetedAttackOptions extends Omit<FabTargetedOptions, 'signal'> {
  /** Radius of the ball, in units of the data: what was found beyond it does not count. */
  readonly eps: number;
}

/** {@link fabTargeted} within a ball, with settings, which are checked at once; throws as it does. */
export function fabTargetedAttack(options: FabTargetedAttackOptions): HostedAttack {
  const { norm, steps, targets } = checkOptions(options);
  const { eps } = options;
  checkBall('fabTargeted', eps, options);
  return {
    hosted: true,
    settings: { attack: 'fab-t', norm, eps, steps, targets },
    warnings: [],
    run: async (model, x, labels, { signal }: HostedRun) => {
      const { images, distances } = await fabTargeted(model, x, labels, { ...options, signal });
      const within = x.device.scope(() =>
        noGrad(x.device, () => where(perImage(le(distances, eps), x.shape), images, x)),
      );
      for (const each of [images, distances]) each.dispose();
      return within;
    },
  };
}

/** The options as the search takes them. */
export interface FabSettings extends Required<ClipOptions> {
  readonly norm: 'linf' | 'l2';
  readonly steps: number;
  readonly targets: number;
}

function checkOptions(options: FabTargetedOptions): FabSettings {
  const { norm = 'linf', steps = 100, targets = 9 } = options;
  // Callers without types can pass anything.
  if (!['linf', 'l2'].includes(norm)) throw new ArgumentError(`fabTargeted: norm is ${norm}; expected linf or l2`);
  for (const [name, value] of Object.entries({ steps, targets })) {
    checkCount('fabTargeted', name, value);
  }
  return { norm, steps, targets, ...checkBall('fabTargeted', 0, options) };
}
