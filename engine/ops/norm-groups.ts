/**
 * Normalisation of each sample by itself: over its last axes, groups of channels, or single channels. Each is the batch
 * normalisation of the same elements in another shape, `[1, lines, 1, places]`, so its kernels and its derivatives are those.
 */
import { ArgumentError, ShapeError } from '../errors.js';
import { expectDType, inF32 } from '../op.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { add, mul } from './elementwise.js';
import { reshape } from './movement.js';
import { normalizeChannels } from './norm.js';

/** Options of `layerNorm`, `groupNorm` and `instanceNorm2d`. */
export interface SampleNormOptions {
  /** Scale: of the normalised axes for `layerNorm`, `[C]` for the others; ones by default. */
  readonly weight?: Tensor | null;
  /** Shift, likewise; zeros by default. */
  readonly bias?: Tensor | null;
  /** Added to the variance; 1e-5 by default. */
  readonly eps?: number;
}

/** Each of `lines` equal parts of `x` with mean 0 and (biased) variance 1, then scaled and shifted by tensors of shape `affine`. */
function normalizeLines(op: string, x: Tensor, lines: number, affine: Shape, options: SampleNormOptions): Tensor {
  const { weight, bias, eps = 1e-5 } = options;
  if (!(eps > 0 && eps < Infinity)) throw new ArgumentError(`${op}: eps ${eps}; expected a number above 0`);
  for (const [name, tensor] of [['weight', weight] as const, ['bias', bias] as const]) {
    if (!tensor) continue;
    expectDType(`${op}: ${name}`, [tensor], 'f32', 'f16');
    if (tensor.size !== sizeOf(affine)) {
      throw new ShapeError(
        `${op}: ${name} ${formatShape(tensor.shape)} for input ${formatShape(x.shape)}; expected ${sizeOf(affine)} values`,
      );
    }
  }
  return inF32(x, (wide) => {
    const normal =
      x.size === 0 ? wide : reshape(normalizeChannels(reshape(wide, [1, lines, 1, x.size / lines]), eps), x.shape);
    const scaled = weight ? mul(normal, reshape(weight, affine)) : normal;
    return bias ? add(scaled, reshape(bias, affine)) : scaled;
  });
}

/**
 * Layer normalisation over the last axes, which have the shape `normalizedShape`: (x - mean) / sqrt(variance + eps) * weight + bias,
 * with the biased variance. (Ba, Kiros & Hinton, 2016.)
 *
 * @throws ShapeError where the last axes or the affine tensors have another shape, ArgumentError for an eps not above 0
 */
export function layerNorm(x: Tensor, normalizedShape: Shape, options: SampleNormOptions = {}): Tensor {
  expectDType('layerNorm', [x], 'f32', 'f16');
  const lead = x.rank - normalizedShape.length;
  if (normalizedShape.length === 0 || lead < 0 || !sameShape(x.shape.slice(lead), normalizedShape)) {
    throw new ShapeError(
      `layerNorm: input ${formatShape(x.shape)} does not end in ${formatShape(normalizedShape)}, the axes to normalise`,
    );
  }
  return normalizeLines('layerNorm', x, sizeOf(x.shape.slice(0, lead)), normalizedShape, options);
}

/** `[C, 1, ...]`: what broadcasts one value per channel of `[N, C, ...]`. */
function perChannel(x: Tensor): Shape {
  return [x.shape[1] ?? 0, ...x.shape.slice(2).map(() => 1)];
}

/**
 * Group normalisation of `x` `[N, C, ...]`: each sample's channels in `groups` equal groups, normalised together; weight and bias
 * are `[C]`. (Wu & He, 2018.)
 *
 * @throws ShapeError where groups do not divide the channels or the affine tensors do not fit, ArgumentError for an eps not above 0
 */
export function groupNorm(x: Tensor, groups: number, options: SampleNormOptions = {}): Tensor {
  expectDType('groupNorm', [x], 'f32', 'f16');
  const [samples = 0, channels = 0] = x.shape;
  if (x.rank < 2 || !(Number.isInteger(groups) && groups >= 1) || channels % groups !== 0) {
    throw new ShapeError(
      `groupNorm: input ${formatShape(x.shape)} in ${groups} groups; expected [N, C, ...] with C a multiple of the groups`,
    );
  }
  return normalizeLines('groupNorm', x, samples * groups, perChannel(x), options);
}

/**
 * Instance normalisation of `x` `[N, C, H, W]`: each channel of each sample by itself; weight and bias are `[C]`. (Ulyanov, Vedaldi &
 * Lempitsky, 2016.)
 *
 * @throws ShapeError for planes of one place, whose variance is 0, and where the affine tensors do not fit, ArgumentError for an eps
 * not above 0
 */
export function instanceNorm2d(x: Tensor, options: SampleNormOptions = {}): Tensor {
  expectDType('instanceNorm2d', [x], 'f32', 'f16');
  const [samples = 0, channels = 0, height = 0, width = 0] = x.shape;
  if (x.rank !== 4 || height * width === 1) {
    throw new ShapeError(
      `instanceNorm2d: input ${formatShape(x.shape)}; expected [N, C, H, W] with more than one place in a plane`,
    );
  }
  return normalizeLines('instanceNorm2d', x, samples * channels, perChannel(x), options);
}
