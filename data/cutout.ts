import { ArgumentError, ShapeError } from '../engine/errors.js';
import { arange, full } from '../engine/ops/create.js';
import { add, ge, logicalAnd, lt, sub, where } from '../engine/ops/elementwise.js';
import { reshape } from '../engine/ops/movement.js';
import { expectDType } from '../engine/op.js';
import { formatShape, sameShape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';

/**
 * Covers a square of `size` x `size` pixels of each of `images` `[n, c, h, w]` by `fill`, 0 unless told, in every channel (DeVries and
 * Taylor, "Improved regularization of convolutional neural networks with cutout", 2017). The square of image i begins floor(size / 2)
 * above and left of pixel (`rows[i]`, `columns[i]`), both i32 `[n]`; what lies outside of the image is left out.
 *
 * @throws ArgumentError for a size that is not an integer from 1 up; ShapeError or DTypeError for tensors that do not fit
 */
export function cutout(
  images: Tensor,
  centres: { readonly rows: Tensor; readonly columns: Tensor },
  size: number,
  fill = 0,
): Tensor {
  const [n = 0, , h = 0, w = 0] = images.shape;
  const { rows, columns } = centres;
  if (!(Number.isInteger(size) && size >= 1)) {
    throw new ArgumentError(`cutout: size ${size}; expected an integer from 1 up`);
  }
  expectDType('cutout: rows and columns', [rows, columns], 'i32');
  if (images.rank !== 4 || !sameShape(rows.shape, [n]) || !sameShape(columns.shape, [n])) {
    throw new ShapeError(
      `cutout: images ${formatShape(images.shape)}, rows ${formatShape(rows.shape)}, columns ` +
        `${formatShape(columns.shape)}; expected [n, c, h, w], [n] and [n]`,
    );
  }
  const { device } = images;
  const within = (centre: Tensor, places: Tensor): Tensor => {
    const first = reshape(sub(centre, Math.floor(size / 2)), [n, 1, 1, 1]);
    return logicalAnd(ge(places, first), lt(places, add(first, size)));
  };
  const down = within(rows, reshape(arange(0, h, { device }), [1, 1, h, 1]));
  const across = within(columns, reshape(arange(0, w, { device }), [1, 1, 1, w]));
  return where(logicalAnd(down, across), full([], fill, { device }), images);
}
