import type { Capabilities } from '../../device.js';
import { ArgumentError } from '../../errors.js';
import type { Sharing } from './direct.js';
import type { ConvGeometry, ConvPass } from './geometry.js';
import { winogradFill, winogradFits } from './winograd.js';

/** A convolution kernel: Winograd, or direct with a way for lanes to share what is the same for all of them. */
export type ConvVariant = 'winograd' | Sharing;

/** The variants that can run this convolution on this device, the preferred one first. */
export function convVariants(caps: Capabilities, pass: ConvPass, geometry: ConvGeometry): ConvVariant[] {
  const direct = sharings(caps);
  if (!winogradFits(geometry)) return direct;
  return prefersWinograd(pass, geometry) ? ['winograd', ...direct] : [...direct, 'winograd'];
}

/** What lanes can do, best first: eight lanes broadcast, four swap; real GPUs load one address for all of them in one go. */
function sharings({ subgroupSize, software }: Capabilities): Sharing[] {
  if (subgroupSize < 4) return ['plain'];
  if (!software) return ['plain', 'quad', 'broadcast'];
  return subgroupSize === 4 ? ['quad', 'broadcast', 'plain'] : ['broadcast', 'quad', 'plain'];
}

/**
 * The time of both kernels per 4 x 4 tile, in units of the direct kernel's time per pair of channels: Winograd transforms c + k
 * channels and multiplies 36 points, the direct kernel multiplies 144 taps, but only at positions inside the image. The
 * coefficients fit the measurements on llvmpipe and on SwiftShader equally well.
 */
function prefersWinograd(pass: ConvPass, geometry: ConvGeometry): boolean {
  const { c, k } = geometry;
  return 7 * (c + k) + 0.4 * c * k < c * k * winogradFill(geometry, pass);
}

/** The variant for this convolution: the preferred one, or `forced`, which throws an `ArgumentError` where it cannot run. */
export function chooseConv(
  caps: Capabilities,
  pass: ConvPass,
  geometry: ConvGeometry,
  forced?: ConvVariant,
): ConvVariant {
  const variants = convVariants(caps, pass, geometry);
  if (forced === undefined) return variants[0] ?? 'plain';
  if (variants.includes(forced)) return forced;
  throw new ArgumentError(`conv2d: variant ${forced} cannot run here; expected one of ${variants.join(', ')}`);
}
