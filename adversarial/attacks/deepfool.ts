import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { clamp } from '../../engine/ops/elementwise.js';
import { type Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { type Model } from '../model.js';
import type { HostedAttack, Watched } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch } from './input-gradient.js';

/**
 * DeepFool: Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep neural networks", CVPR 2016. Without
 * a bound, each sample goes over the nearest boundary of the model made linear at the point a where it is, again and again:
 *
 *     w_k = grad f_k(a) - grad f_l(a),   k* = argmin_{k != l} |f_k(a) - f_l(a)| / ||w_k||
 *
 * All samples of a batch go at once, each until its class changes; those that have arrived stay where they are.
 */

/** Options of {@link deepfool}; the range matters to the variant of torchattacks alone. */
export interface DeepFoolOptions extends ClipOptions, Watched {
  /**
   * 'original' unless told, the authors' code: from the class that the model gives, r += (distance + 1e-4) w / ||w|| until the class of
   * x + (1 + overshoot) r changes, not clipped. 'torchattacks': from the true class, a = clip(a + (1 + overshoot) distance w / ||w||), and
   * a sample that is misclassified stays as it is.
   */
  readonly variant?: 'original' | 'torchattacks';
  /** How far past the boundary, as a share of the way; 0.02 unless told. */
  readonly overshoot?: number;
  /** 50 unless told. */
  readonly maxIterations?: number;
  /** Ends the attack between two iterations; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Classes with the largest logits that the variant 'original' looks at, the first among them; 10 unless told. */
  readonly candidates?: number;
}

/** What {@link deepfool} gives. */
export interface DeepFoolResult {
  /** Of the images' shape. The variant 'original' may leave the range of the data. */
  readonly images: Tensor;
  /** Steps that each sample took, i32 `[m]`. */
  readonly iterations: Tensor;
  /** The class that the model gives to each image in the end, i32 `[m]`. */
  readonly labels: Tensor;
}

/**
 * Images of another class near the images `x` `[m, ...]` (f32) with classes `labels` (i32 `[m]`, which the variant 'original' does not
 * look at). Reads one number for each iteration. The model runs in evaluation mode and gets its modes back.
 *
 * @throws ArgumentError for options outside their domain or fewer than two classes, ShapeError or DTypeError for a batch that is none
 */
export async function deepfool(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: DeepFoolOptions = {},
): Promise<DeepFoolResult> {
  const clip = checkOptions(options);
  checkBatch('deepfool', x, labels);
  const { searchDeepFool } = await import('./deepfool-search.js');
  return searchDeepFool(model, x, labels, options, clip);
}

/**
 * {@link deepfool} with settings, which are checked at once; the variant 'torchattacks' unless told, which keeps to the range of the data as
 * it goes. Images of the variant 'original' are clipped to it in the end, and may be back on their own side then. Without a bound it is
 * how far images move that says something, not how many are fooled. Throws as `deepfool` does.
 */
export function deepfoolAttack(options: Omit<DeepFoolOptions, 'signal' | keyof Watched> = {}): HostedAttack {
  const { clipMin: min, clipMax: max } = checkOptions(options);
  const { variant = 'torchattacks', overshoot = 0.02, maxIterations = 50 } = options;
  return {
    hosted: true,
    settings: { attack: 'deepfool', variant, overshoot, maxIterations },
    warnings: [],
    run: async (model, x, labels, { signal }) => {
      const { images, iterations, labels: ends } = await deepfool(model, x, labels, { ...options, variant, signal });
      const clipped = noGrad(x.device, () => clamp(images, { min, max }));
      for (const each of [images, iterations, ends]) each.dispose();
      return clipped;
    },
  };
}

function checkOptions(options: DeepFoolOptions): Required<ClipOptions> {
  const { variant = 'original', overshoot = 0.02, maxIterations = 50, candidates = 10 } = options;
  if (!['original', 'torchattacks'].includes(variant)) {
    throw new ArgumentError(`deepfool: unknown variant '${variant}'; there are original and torchattacks`);
  }
  if (!(overshoot >= 0 && overshoot < Infinity)) {
    throw new ArgumentError(`deepfool: overshoot is ${overshoot}; expected a finite number from 0 up, such as 0.02`);
  }
  for (const [name, value, least] of [
    ['maxIterations', maxIterations, 1],
    ['candidates', candidates, 2],
  ] as const) {
    checkCount('deepfool', name, value, least);
  }
  return checkBall('deepfool', 0, options);
}
