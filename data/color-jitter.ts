import { ShapeError } from '../engine/errors.js';
import { add, clamp, mul, sub } from '../engine/ops/elementwise.js';
import { reshape, slice } from '../engine/ops/movement.js';
import { mean } from '../engine/ops/reduce.js';
import { expectDType } from '../engine/op.js';
import { formatShape, sameShape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';

/** The factors of {@link colorJitter}, f32 `[n]` each, from 0 up; 1 leaves an image as it is but for rounding, an absent one altogether. */
export interface ColorFactors {
  readonly brightness?: Tensor | undefined;
  readonly contrast?: Tensor | undefined;
  readonly saturation?: Tensor | undefined;
}

/** How much red, green and blue count for what is seen as grey (ITU-R BT.601). */
const LUMA = [0.299, 0.587, 0.114] as const;

/**
 * Changes brightness, contrast and saturation of each of `images` `[n, c, h, w]`, of 1 or 3 channels, in this order, by factors b, c, s of
 * its own, and cuts to [0, 1] after each:
 *
 * x <- b x;  x <- c x + (1 - c) mean(grey(x));  x <- s x + (1 - s) grey(x)
 *
 * with grey(x) = 0.299 R + 0.587 G + 0.114 B at each pixel, and the mean over all pixels of an image. The formulas are those of
 * torchvision's ColorJitter, which draws the order too (Haeberli and Voorhies, "Image processing by linear interpolation and
 * extrapolation", 1994). Saturation does nothing to images of one channel.
 *
 * @throws ShapeError or DTypeError for tensors that do not fit
 */
export function colorJitter(images: Tensor, { brightness, contrast, saturation }: ColorFactors): Tensor {
  const [n = 0, channels = 0] = images.shape;
  expectDType('colorJitter', [images], 'f32');
  if (images.rank !== 4 || (channels !== 1 && channels !== 3)) {
    throw new ShapeError(`colorJitter: images ${formatShape(images.shape)}; expected [n, 1, h, w] or [n, 3, h, w]`);
  }
  const factor = (name: string, values: Tensor): Tensor => {
    expectDType(`colorJitter: ${name}`, [values], 'f32');
    if (sameShape(values.shape, [n])) return reshape(values, [n, 1, 1, 1]);
    throw new ShapeError(`colorJitter: ${name} ${formatShape(values.shape)} of ${n} images; expected [${n}]`);
  };
  let x = images;
  if (brightness) x = clamp(mul(x, factor('brightness', brightness)), { min: 0, max: 1 });
  if (contrast) x = towards(mean(grey(x), [1, 2, 3], { keepDim: true }), x, factor('contrast', contrast));
  if (saturation && channels === 3) x = towards(grey(x), x, factor('saturation', saturation));
  return x;
}

/** factor x + (1 - factor) base, cut to [0, 1]. */
function towards(base: Tensor, x: Tensor, factor: Tensor): Tensor {
  return clamp(add(base, mul(factor, sub(x, base))), { min: 0, max: 1 });
}

/** `[n, 1, h, w]`. */
function grey(x: Tensor): Tensor {
  if (x.shape[1] === 1) return x;
  const [red, green, blue] = LUMA.map((weight, channel) =>
    mul(slice(x, [null, { start: channel, end: channel + 1 }]), weight),
  );
  return red && green && blue ? add(add(red, green), blue) : x;
}
