import { noGrad } from '../engine/autograd.js';
import { DTypeError, ShapeError } from '../engine/errors.js';
import { abs, ne, sub, to } from '../engine/ops/elementwise.js';
import { max, sum } from '../engine/ops/reduce.js';
import { norm } from '../engine/ops/statistics.js';
import { formatShape, sameShape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';
import { rowsOf } from './attacks/rows.js';

/** How far each sample was moved, d = x' - x: f32 `[m]` each, in units of the data but for `l0`. */
export interface PerturbationNorms {
  /** The largest |d| of an element. */
  readonly linf: Tensor;
  /** The Euclidean length. */
  readonly l2: Tensor;
  /** The sum of |d|. */
  readonly l1: Tensor;
  /** How many elements differ at all. Each channel of a pixel is an element, so a coloured pixel counts up to three times. */
  readonly l0: Tensor;
}

/**
 * The distances of `adversarial` images from the images `x`, both f32 `[m, ...]`.
 *
 * @throws ShapeError for images of different shapes or no samples, DTypeError for others than f32
 */
export function perturbationNorms(x: Tensor, adversarial: Tensor): PerturbationNorms {
  if (x.dtype !== 'f32' || adversarial.dtype !== 'f32') {
    throw new DTypeError(`perturbationNorms: got ${x.dtype} and ${adversarial.dtype} images; expected f32`);
  }
  if (x.rank < 2 || x.size === 0 || !sameShape(x.shape, adversarial.shape)) {
    throw new ShapeError(
      `perturbationNorms: images ${formatShape(x.shape)} and ${formatShape(adversarial.shape)}; expected two of one shape [m, ...]`,
    );
  }
  return x.device.scope(() =>
    noGrad(x.device, () => {
      const moved = sub(rowsOf(adversarial), rowsOf(x));
      const lengths = abs(moved);
      return {
        linf: max(lengths, [1]),
        l2: norm(moved, { axes: [1] }),
        l1: sum(lengths, [1]),
        // Elements are compared, since a difference may be too small for a number of its own.
        l0: sum(to(ne(rowsOf(adversarial), rowsOf(x)), 'f32'), [1]),
      };
    }),
  );
}
