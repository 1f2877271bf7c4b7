import { reshape, slice } from '../../engine/ops/movement.js';
import { WORDS_PER_BLOCK } from '../../engine/random.js';
import type { Shape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';

/** What attacks do sample by sample, with the samples as the rows of a matrix. */

/** A batch as rows, `[m, d]`: the same memory. */
export function rowsOf(x: Tensor): Tensor {
  const [m = 0] = x.shape;
  return reshape(x, [m, m === 0 ? 0 : x.size / m]);
}

/** One value for each sample, `[m]`, in a shape that broadcasts over images of `shape`. */
export function perImage(values: Tensor, shape: Shape): Tensor {
  return reshape(
    values,
    shape.map((size, axis) => (axis === 0 ? size : 1)),
  );
}

/** Random numbers of a shape, drawn so that each sample (first axis) starts a block of the generator. */
export function perSample(shape: Shape, draw: (shape: Shape) => Tensor): Tensor {
  const [m = 0, ...rest] = shape;
  const size = rest.reduce((product, length) => product * length, 1);
  const padded = Math.ceil(size / WORDS_PER_BLOCK) * WORDS_PER_BLOCK;
  const drawn = draw([m, padded]);
  return reshape(padded === size ? drawn : slice(drawn, [null, { end: size }]), shape);
}
