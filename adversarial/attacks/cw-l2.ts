import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { le, where } from '../../engine/ops/elementwise.js';
import type { Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { type Model } from '../model.js';
import type { HostedAttack } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch } from './input-gradient.js';
import { perImage } from './rows.js';

/**
 * The L2 attack of Carlini and Wagner, "Towards evaluating the robustness of neural networks", IEEE S&P 2017, section VI, with the details of
 * the authors' code. In variables w without bounds, a(w) = clipMin + (clipMax - clipMin) (tanh(w) + 1) / 2, Adam lowers for each sample
 *
 *     ||a(w) - x||_2^2 + c max(z_y - max_{k != y} z_k + kappa, 0)
 *
 * and c is searched for, from `initialC`: ten times as large until an image is found, then by bisection. What counts is the nearest image
 * found in any of the searches.
 */

/** Options of {@link cwL2}. */
export interface CwL2Options extends ClipOptions {
  /** How far past the boundary an image has to be, in logits; 0 unless told. */
  readonly kappa?: number;
  /** Values of c to try, one after another; 9 unless told. */
  readonly searchSteps?: number;
  /** Steps of Adam for each; 1000 unless told (the authors' code has 10000). */
  readonly maxIterations?: number;
  /** The first c; 0.001 unless told. */
  readonly initialC?: number;
  /** Of Adam; 0.01 unless told. */
  readonly learningRate?: number;
  /** Classes to go to, i32 `[m]`, in place of any other than the label. */
  readonly targets?: Tensor;
  /** Ends the attack between two iterations; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link cwL2} gives, for images `[m, ...]`. */
export interface CwL2Result {
  /** The nearest image found of each sample; the image itself where there is none, or where it is one. */
  readonly images: Tensor;
  /** How far it is, `[m]`: 0 where the image itself is one, {@link CW_L2_NOT_FOUND} where none was found. */
  readonly distances: Tensor;
}

/** The distance where nothing was found. */
export const CW_L2_NOT_FOUND = 1e10;

/**
 * Images near the images `x` `[m, ...]` (f32, in the range of the data) that the model gives another class than `labels` (i32 `[m]`), or the
 * class aimed at. A sample whose loss has come to rest stops by itself, so what is found for it does not depend on its batch. Nothing in it
 * is random. Reads one number for each tenth of the iterations. The model runs in evaluation mode and gets its modes back.
 *
 * @throws ArgumentError for options outside their domain or fewer than two classes, ShapeError or DTypeError for a batch that is none, and
 * the signal's reason
 */
export async function cwL2(model: Model, x: Tensor, labels: Tensor, options: CwL2Options = {}): Promise<CwL2Result> {
  const settings = checkOptions(options);
  checkBatch('cwL2', x, labels);
  const { searchCwL2 } = await import('./cw-l2-search.js');
  return searchCwL2(model, x, labels, options, settings);
}

/** Options of {@link cwL2Attack}. */
export interface CwL2AttackOptions extends Omit<CwL2Options, 'signal' | 'targets'> {
  /** Radius of an L2 ball, in units of the data: what was found beyond it does not count. Unless told, everything does. */
  readonly eps?: number;
}

/** {@link cwL2} with settings, which are checked at once; throws as it does. */
export function cwL2Attack(options: CwL2AttackOptions = {}): HostedAttack {
  const { kappa, searchSteps, maxIterations } = checkOptions(options);
  const { eps } = options;
  if (eps !== undefined) checkBall('cwL2', eps, { ...options, norm: 'l2' });
  return {
    hosted: true,
    settings: { attack: 'cw-l2', ...(eps !== undefined && { norm: 'l2', eps }), kappa, searchSteps, maxIterations },
    warnings: [],
    run: async (model, x, labels, { signal }) => {
      const { images, distances } = await cwL2(model, x, labels, { ...options, signal });
      const within = x.device.scope(() =>
        noGrad(x.device, () => where(perImage(le(distances, eps ?? CW_L2_NOT_FOUND), x.shape), images, x)),
      );
      for (const each of [images, distances]) each.dispose();
      return within;
    },
  };
}

/** The options as the search takes them. */
export interface CwL2Settings extends Required<ClipOptions> {
  readonly kappa: number;
  readonly searchSteps: number;
  readonly maxIterations: number;
  readonly initialC: number;
  readonly learningRate: number;
  readonly targeted: boolean;
}

function checkOptions(options: CwL2Options): CwL2Settings {
  const { kappa = 0, searchSteps = 9, maxIterations = 1000, initialC = 0.001, learningRate = 0.01 } = options;
  for (const [name, value] of Object.entries({ searchSteps, maxIterations })) {
    checkCount('cwL2', name, value);
  }
  for (const [name, value] of Object.entries({ initialC, learningRate })) {
    if (!(value > 0 && value < Infinity)) {
      throw new ArgumentError(`cwL2: ${name} is ${value}; expected a finite number above 0`);
    }
  }
  if (!(kappa >= 0 && kappa < Infinity)) {
    throw new ArgumentError(`cwL2: kappa is ${kappa}; expected a finite number from 0 up`);
  }
  const clip = checkBall('cwL2', 0, options);
  return {
    kappa,
    searchSteps,
    maxIterations,
    initialC,
    learningRate,
    targeted: options.targets !== undefined,
    ...clip,
  };
}
