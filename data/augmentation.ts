import { ArgumentError, ShapeError } from '../engine/errors.js';
import { pad } from '../engine/ops/arrange.js';
import { arange } from '../engine/ops/create.js';
import { add, ne, sub, where } from '../engine/ops/elementwise.js';
import { gather } from '../engine/ops/indexing.js';
import { expand, reshape, slice } from '../engine/ops/movement.js';
import { expectDType } from '../engine/op.js';
import { formatShape, sameShape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';

/**
 * The usual augmentation of small images (He et al., "Deep residual learning", 2016, section 4.2): each of `images` `[n, c, h, w]` gets
 * `padding` zeros on every side, is cut to `h` x `w` again at its own `offsets` `[n, 2]` (top, left; each from 0 to 2 `padding`), and
 * where its `flips` `[n]` is not 0, is mirrored left to right. Offsets and flips are i32; an offset outside is cut to the nearest end.
 *
 * @throws ArgumentError for a padding that is no integer from 0 up; ShapeError or DTypeError for tensors that do not fit
 */
export function padCropFlip(images: Tensor, offsets: Tensor, flips: Tensor, padding: number): Tensor {
  const [n = 0, c = 0, h = 0, w = 0] = images.shape;
  if (!(Number.isInteger(padding) && padding >= 0)) {
    throw new ArgumentError(`padCropFlip: padding ${padding}; expected an integer from 0 up`);
  }
  expectDType('padCropFlip: offsets and flips', [offsets, flips], 'i32');
  if (images.rank !== 4 || !sameShape(offsets.shape, [n, 2]) || !sameShape(flips.shape, [n])) {
    throw new ShapeError(
      `padCropFlip: images ${formatShape(images.shape)}, offsets ${formatShape(offsets.shape)}, flips ` +
        `${formatShape(flips.shape)}; expected [n, c, h, w], [n, 2] and [n]`,
    );
  }
  const { device } = images;
  const padded = pad(images, [padding, padding, padding, padding]);
  const [top, left] = [column(offsets, 0), column(offsets, 1)];
  const rows = add(top, reshape(arange(0, h, { device }), [h, 1]));
  const across = arange(0, w, { device });
  const mirrored = where(ne(reshape(flips, [n, 1, 1, 1]), 0), sub(w - 1, across), across);
  const cropped = gather(padded, 2, expand(rows, [n, c, h, w + 2 * padding]));
  return gather(cropped, 3, expand(add(left, mirrored), [n, c, h, w]));
}

/** One of two columns as `[n, 1, 1, 1]`. */
function column(pairs: Tensor, start: 0 | 1): Tensor {
  return reshape(slice(pairs, [null, { start, end: start + 1 }]), [pairs.size / 2, 1, 1, 1]);
}
