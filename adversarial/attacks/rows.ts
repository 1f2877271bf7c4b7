import { reshape, slice } from '../../engine/ops/movement.js';
import { generatorOf, type RandomOptions } from '../../engine/ops/random.js';
import { WORDS_PER_BLOCK } from '../../engine/random.js';
import type { Shape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import type { AttackRandom } from './attack.js';

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

/** Draws random numbers, such as `rand` and `randn`. */
export type Draw = (shape: Shape, options: RandomOptions) => Tensor;

/** Random numbers of a shape for the images `x`, drawn so that each sample (first axis) has numbers of its own. */
export function perSample(x: Tensor, shape: Shape, random: Partial<AttackRandom>, draw: Draw): Tensor {
  const { device } = x;
  const { generator = generatorOf(device, 'start'), samples } = random;
  if (samples) return draw(shape, { device, generator, rows: samples });
  // Each sample starts a block.
  const [m = 0, ...rest] = shape;
  const size = rest.reduce((product, length) => product * length, 1);
  const padded = Math.ceil(size / WORDS_PER_BLOCK) * WORDS_PER_BLOCK;
  const drawn = draw([m, padded], { device, generator });
  return reshape(padded === size ? drawn : slice(drawn, [null, { end: size }]), shape);
}
