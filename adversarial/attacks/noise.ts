import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { add, clamp, div, mul } from '../../engine/ops/elementwise.js';
import { reshape, slice } from '../../engine/ops/movement.js';
import { rand, randn } from '../../engine/ops/random.js';
import { norm as lengthOf } from '../../engine/ops/statistics.js';
import type { Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { misclassified } from '../criteria.js';
import { inEvalMode, type Model } from '../model.js';
import type { AttackRandom, RecordedAttack } from './attack.js';
import { checkBall, type ClipOptions } from './ball.js';
import { checkBatch } from './input-gradient.js';
import { marginLoss } from './losses.js';
import { perSample, rowsOf, type Draw } from './rows.js';
import { worstOf } from './worst.js';

/**
 * Random noise, the baseline of every attack: one that does no better finds nothing.
 *
 *     x' = clip(x + u),                u uniform in [-eps, eps)     norm 'linf'
 *     x' = clip(x + eps n / ||n||),    n normal                     norm 'l2'
 */

/** Options of {@link randomNoise}. */
export interface NoiseOptions extends ClipOptions, Partial<AttackRandom> {
  /** The ball's norm; 'linf' unless told. */
  readonly norm?: 'linf' | 'l2';
  /** Radius of the ball, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** How often to draw; each sample keeps its worst. 1 unless told. */
  readonly repeats?: number;
}

/** Keeps lengths that are divided by from 0. */
const TINY = 1e-12;

/**
 * Images `x` `[m, ...]` (f32, in the range of the data) with random noise within a ball. Of several draws a sample keeps one that the model
 * misclassifies, and of two alike the one of larger margin ({@link marginLoss}) to its class in `labels` (i32 `[m]`). With one draw, neither
 * model nor labels play a part. Only records work.
 *
 * @throws ArgumentError for an eps below 0 or over the range of the data, an unknown norm, or repeats that are no integer from 1 up;
 * ShapeError or DTypeError for a batch that is none
 */
export function randomNoise(model: Model, x: Tensor, labels: Tensor, options: NoiseOptions): Tensor {
  const { eps, norm, repeats, clipMin: min, clipMax: max } = resolved(options);
  checkBatch('randomNoise', x, labels);
  const { device } = x;
  const [m = 0] = x.shape;
  const size = x.size / m;
  const draw: Draw = norm === 'linf' ? (shape, how) => rand(shape, { ...how, bound: eps }) : randn;
  return device.scope(() =>
    noGrad(device, () => {
      const all = perSample(x, [m, repeats * size], options, draw);
      const version = (number: number): Tensor => {
        const drawn = slice(all, [null, { start: number * size, end: (number + 1) * size }]);
        const offset = norm === 'linf' ? drawn : mul(div(drawn, lengths(drawn)), eps);
        return reshape(clamp(add(rowsOf(x), offset), { min, max }), x.shape);
      };
      if (repeats === 1) return version(0);
      return inEvalMode(model, () =>
        worstOf(repeats, version, { model, labels, loss: marginLoss, criterion: misclassified }),
      );
    }),
  );
}

/** {@link randomNoise} with settings, which are checked at once; throws as it does. */
export function noiseAttack(options: Omit<NoiseOptions, keyof AttackRandom>): RecordedAttack {
  const { eps, norm, repeats } = resolved(options);
  return {
    settings: { attack: 'noise', norm, eps, repeats },
    warnings: [],
    run: (model, x, labels, random) => randomNoise(model, x, labels, { ...options, ...random }),
  };
}

function lengths(rows: Tensor): Tensor {
  return clamp(lengthOf(rows, { axes: [1], keepDim: true }), { min: TINY });
}

function resolved({ eps, norm = 'linf', repeats = 1, ...options }: NoiseOptions) {
  const clip = checkBall('randomNoise', eps, { ...options, norm });
  // Callers without types can pass anything.
  if (!['linf', 'l2'].includes(norm)) {
    throw new ArgumentError(`randomNoise: norm is ${norm as string}; expected linf or l2`);
  }
  checkCount('randomNoise', 'repeats', repeats);
  return { eps, norm, repeats, ...clip };
}
