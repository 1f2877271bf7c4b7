import { ArgumentError, ShapeError } from '../engine/errors.js';
import { pad } from '../engine/ops/arrange.js';
import { arange, zeros } from '../engine/ops/create.js';
import { add, floor, lt, mul, ne, sub, to, where } from '../engine/ops/elementwise.js';
import { gather } from '../engine/ops/indexing.js';
import { expand, reshape, slice } from '../engine/ops/movement.js';
import { rand } from '../engine/ops/random.js';
import { expectDType } from '../engine/op.js';
import type { Generator } from '../engine/random.js';
import { formatShape, sameShape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';
import { colorJitter } from './color-jitter.js';
import { cutout } from './cutout.js';

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

/** What an {@link augmentation} does, in this order; what is absent is not done. */
export interface AugmentationOptions {
  /** See {@link padCropFlip}: 4 zeros on every side and mirroring of every other image, on average, unless told. */
  readonly padCropFlip?: { readonly padding?: number; readonly flip?: boolean } | undefined;
  /** See {@link colorJitter}: each factor is uniform in [max(0, 1 - strength), 1 + strength); a strength of 0 is 0. */
  readonly colorJitter?:
    { readonly brightness?: number; readonly contrast?: number; readonly saturation?: number } | undefined;
  /** See {@link cutout}: a square of this many pixels, around any pixel of the image; of 0 unless `fill` is told. */
  readonly cutout?: { readonly size: number; readonly fill?: number } | undefined;
}

/** Random changes of images, the same for the same random numbers. */
export interface Augmentation {
  /**
   * Changes each of `images` `[n, c, h, w]` (f32, in [0, 1], where the results lie too) in its own way. Image i takes 8 of the generator's
   * numbers, whatever is done: those of row `examples[i]` (i32 `[n]`) where examples are given, so that with a generator of (seed, epoch)
   * they depend on the example alone and not on its batch; else those of row i. May be part of a captured step.
   *
   * @throws ShapeError or DTypeError for tensors that do not fit
   */
  apply(images: Tensor, generator: Generator, examples?: Tensor): Tensor;
}

/** Random numbers to an image, and what they are for. */
const DRAWS = { top: 0, left: 1, flip: 2, row: 3, column: 4, brightness: 5, contrast: 6, saturation: 7 } as const;
const DRAWS_PER_IMAGE = 8;

/**
 * Random augmentation on the GPU, for training alone. The generator that is usual for it: `new Generator(seed, { purpose: 'augmentation',
 * index: epoch })`.
 *
 * @throws ArgumentError for options outside their domain: a padding that is no integer from 0 up, a size that is none from 1 up, a negative
 * strength, a fill outside [0, 1]
 */
export function augmentation(options: AugmentationOptions): Augmentation {
  checkOptions(options);
  return { apply: (images, generator, examples) => applyTo(images, generator, examples, options) };
}

function applyTo(images: Tensor, generator: Generator, rows: Tensor | undefined, options: AugmentationOptions): Tensor {
  const [n = 0, , h = 0, w = 0] = images.shape;
  if (images.rank !== 4) {
    throw new ShapeError(`augmentation: images ${formatShape(images.shape)}; expected [n, c, h, w]`);
  }
  const { device } = images;
  const numbers = rand([n, DRAWS_PER_IMAGE], { device, generator, rows });
  const drawn = (name: keyof typeof DRAWS, count = 1): Tensor =>
    slice(numbers, [null, { start: DRAWS[name], end: DRAWS[name] + count }]);
  // Below the bound even where the product is rounded: u is at most 1 - 2^-24.
  const whole = (u: Tensor, bound: number): Tensor => to(floor(mul(u, bound)), 'i32');
  let result = images;
  if (options.padCropFlip) {
    const { padding = 4, flip = true } = options.padCropFlip;
    const flips = flip ? to(lt(reshape(drawn('flip'), [n]), 0.5), 'i32') : zeros([n], { device, dtype: 'i32' });
    result = padCropFlip(result, whole(drawn('top', 2), 2 * padding + 1), flips, padding);
  }
  if (options.colorJitter) {
    const { brightness = 0, contrast = 0, saturation = 0 } = options.colorJitter;
    const factors = (name: 'brightness' | 'contrast' | 'saturation', strength: number): Tensor | undefined => {
      const least = Math.max(0, 1 - strength);
      return strength === 0 ? undefined : add(mul(reshape(drawn(name), [n]), 1 + strength - least), least);
    };
    result = colorJitter(result, {
      brightness: factors('brightness', brightness),
      contrast: factors('contrast', contrast),
      saturation: factors('saturation', saturation),
    });
  }
  if (options.cutout) {
    const { size, fill = 0 } = options.cutout;
    const centre = (name: 'row' | 'column', length: number): Tensor => reshape(whole(drawn(name), length), [n]);
    result = cutout(result, { rows: centre('row', h), columns: centre('column', w) }, size, fill);
  }
  return result;
}

function checkOptions({ padCropFlip: crop, colorJitter: jitter = {}, cutout: cut }: AugmentationOptions): void {
  const refuse = (what: string, value: number, expected: string): never => {
    throw new ArgumentError(`augmentation: ${what} is ${value}; expected ${expected}`);
  };
  const { padding = 4 } = crop ?? {};
  if (!(Number.isInteger(padding) && padding >= 0)) refuse('padCropFlip.padding', padding, 'an integer from 0 up');
  for (const [name, strength = 0] of Object.entries(jitter)) {
    if (!(strength >= 0 && strength < Infinity)) refuse(`colorJitter.${name}`, strength, 'a number from 0 up');
  }
  const { size = 1, fill = 0 } = cut ?? {};
  if (!(Number.isInteger(size) && size >= 1)) refuse('cutout.size', size, 'an integer from 1 up');
  if (!(fill >= 0 && fill <= 1)) refuse('cutout.fill', fill, 'a number of 0 to 1');
}
