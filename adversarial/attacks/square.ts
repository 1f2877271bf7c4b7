import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { formatShape } from '../../engine/shape.js';
import { type Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { type Model } from '../model.js';
import type { HostedAttack, HostedRun } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch } from './input-gradient.js';

/**
 * The Square Attack: Andriushchenko, Croce, Flammarion and Hein, "Square Attack: a query-efficient black-box adversarial attack via random
 * search", ECCV 2020, with the details of the code that AutoAttack runs. It looks at logits alone, never at gradients. Each iteration
 * changes a square window, which shrinks as they go, and a sample takes the change where its margin, max_{k != y} z_k - z_y, grows.
 *
 *     Linf: starts from vertical stripes of x +- eps; moves the window by +-2 eps, one sign for each channel, then back into the ball
 *     L2:   starts from a grid of patterns; adds a pattern to the window, which takes the length that a second window had to give up
 *
 * Where classes t are aimed at, a sample takes the change where ln softmax(z)_t grows.
 */

/** Options of {@link squareSearch}. */
export interface SquareOptions extends ClipOptions, Partial<HostedRun> {
  /** The ball's norm; 'linf' unless told. */
  readonly norm?: 'linf' | 'l2';
  /** Radius of the ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** Windows to try, each of which asks the model once, after one query for the start; 5000 unless told. */
  readonly queries?: number;
  /** Share of an image that the first windows cover, above 0 and up to 1; 0.8 unless told. */
  readonly pInit?: number;
  /** The classes to arrive at, i32 `[m]`, in place of any other than the label. */
  readonly targets?: Tensor;
}

/** What {@link squareSearch} gives, for images `[m, c, h, w]`. */
export interface SquareResult {
  /** The first version of each sample that was misclassified (as the target), or where there is none, the one of largest margin. */
  readonly images: Tensor;
  /** How often the model was asked about each sample until then, i32 `[m]`: 0 where the image itself is misclassified (as the target). */
  readonly queries: Tensor;
  /** Whether `images` is misclassified (as the target), bool `[m]`. */
  readonly found: Tensor;
}

/**
 * Versions of images `x` `[m, c, h, w]` (f32, in the range of the data) with classes `labels` (i32 `[m]`) that the model misclassifies,
 * within a ball. An image that is misclassified as it is stays as it is. The model runs in evaluation mode and gets its modes back.
 *
 * All samples of a batch share their windows; what is drawn for each depends on its number in `samples`, or else on its place. So from
 * generators that stand alike, a sample ends alike in whatever batch it is. The generator moves on as far as all queries take it, however
 * early the search ends. After every 64 queries one number for each sample is read; once less than half of the batch is left, the others
 * leave it.
 *
 * @throws ArgumentError for options outside their domain or fewer than 2 classes, ShapeError or DTypeError for a batch that is none or targets
 * that do not fit it, and the signal's reason
 */
export async function squareSearch(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: SquareOptions,
): Promise<SquareResult> {
  const settings = resolved(options);
  checkBatch('squareSearch', x, labels);
  if (x.rank !== 4) {
    throw new ShapeError(`squareSearch: images of shape ${formatShape(x.shape)}; expected [m, c, h, w]`);
  }
  const { searchSquares } = await import('./square-search.js');
  return searchSquares(model, x, labels, options, settings);
}

/** {@link squareSearch} with settings, which are checked at once; throws as it does. */
export function squareAttack(options: Omit<SquareOptions, keyof HostedRun | 'targets'>): HostedAttack {
  const { norm, queries, pInit } = resolved(options);
  return {
    hosted: true,
    settings: { attack: 'square', norm, eps: options.eps, queries, pInit },
    warnings: [],
    run: async (model, x, labels, run) => {
      const { images, queries: asked, found } = await squareSearch(model, x, labels, { ...options, ...run });
      for (const each of [asked, found]) each.dispose();
      return images;
    },
  };
}

/** The options as the search takes them. */
export interface SquareSettings extends Required<Pick<SquareOptions, 'norm' | 'queries' | 'pInit'>> {
  readonly ball: Required<ClipOptions> & { readonly eps: number };
}

function resolved({ eps, norm = 'linf', queries = 5000, pInit = 0.8, ...options }: SquareOptions): SquareSettings {
  const ball = { eps, ...checkBall('squareSearch', eps, { ...options, norm }) };
  // Callers without types can pass anything.
  if (!['linf', 'l2'].includes(norm)) {
    throw new ArgumentError(`squareSearch: norm is ${norm as string}; expected linf or l2`);
  }
  checkCount('squareSearch', 'queries', queries);
  if (!(pInit > 0 && pInit <= 1)) {
    throw new ArgumentError(`squareSearch: pInit is ${pInit}; expected a share above 0 and up to 1`);
  }
  return { norm, queries, pInit, ball };
}
