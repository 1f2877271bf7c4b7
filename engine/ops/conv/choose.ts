import type { Capabilities } from '../../device.js';
import { ArgumentError } from '../../errors.js';
import type { Sharing } from './direct.js';
import type { ConvGeometry, ConvPass } from './geometry.js';
import { rowsFill, rowsFit } from './rows.js';
import { winogradBytes, winogradFill, winogradFits } from './winograd.js';

/** A convolution kernel: Winograd, whole rows, or direct with a way for lanes to share what is the same for all of them. */
export type ConvVariant = 'winograd' | 'rows' | Sharing;

/**
 * The variants that can run this convolution on a device with these capabilities, the preferred one first. Winograd needs
 * bindings for its transformed tensors; `largestBinding` is the device's limit in bytes.
 */
export function convVariants(
  caps: Capabilities,
  pass: ConvPass,
  geometry: ConvGeometry,
  largestBinding = Infinity,
): ConvVariant[] {
  const candidates: { variant: ConvVariant; cost: number }[] = sharings(caps).map((variant, rank) => ({
    variant,
    cost: rank === 0 ? 1 : Infinity,
  }));
  if (pass !== 'weightGrad' && rowsFit(caps, geometry)) {
    candidates.push({ variant: 'rows', cost: rowsCost(caps, pass, geometry) });
  }
  if (winogradFits(geometry) && winogradBytes(geometry, pass) <= largestBinding) {
    candidates.push({ variant: 'winograd', cost: winogradCost(caps, pass, geometry) });
  }
  return candidates.sort((a, b) => a.cost - b.cost).map(({ variant }) => variant);
}

/** What lanes can do, best first: eight lanes broadcast, four swap; real GPUs load one address for all of them in one go. */
function sharings({ subgroupSize, software }: Capabilities): Sharing[] {
  if (subgroupSize < 4) return ['plain'];
  if (!software) return ['plain', 'quad', 'broadcast'];
  return subgroupSize === 4 ? ['quad', 'broadcast', 'plain'] : ['broadcast', 'quad', 'plain'];
}

/**
 * The time that Winograd takes for a 4 x 4 tile, `transform * (c + k) + product * c * k`, in units of the direct kernel's
 * time for a pair of channels at 16 positions; fitted to measurements on llvmpipe (8 lanes) and SwiftShader (4 lanes).
 */
const WINOGRAD_COST = {
  eight: { gather: { transform: 7, product: 0.38 }, weightGrad: { transform: 6, product: 0.47 } },
  other: { gather: { transform: 6, product: 0.42 }, weightGrad: { transform: 2, product: 0.49 } },
};

/** Time relative to the direct kernel's. Winograd computes whole tiles, the direct kernel only the positions inside the image. */
function winogradCost(caps: Capabilities, pass: ConvPass, geometry: ConvGeometry): number {
  const { c, k } = geometry;
  const row = WINOGRAD_COST[caps.software && caps.subgroupSize === 8 ? 'eight' : 'other'];
  const { transform, product } = pass === 'weightGrad' ? row.weightGrad : row.gather;
  return (transform * (c + k) + product * c * k) / (c * k * winogradFill(geometry, pass));
}

/**
 * The time of whole rows relative to the direct kernel's, measured on llvmpipe: they compute whole vectors. Four lanes (SwiftShader)
 * shuffle and broadcast slowly; real GPUs have caches for what a row's taps share.
 */
function rowsCost(caps: Capabilities, pass: ConvPass, geometry: ConvGeometry): number {
  return caps.software && caps.subgroupSize === 8 ? 0.6 / rowsFill(caps, geometry, pass) : Infinity;
}

/** The variant for this convolution: the preferred one, or `forced`, which throws an `ArgumentError` where it cannot run. */
export function chooseConv(
  caps: Capabilities,
  pass: ConvPass,
  geometry: ConvGeometry,
  forced?: ConvVariant,
  largestBinding?: number,
): ConvVariant {
  const variants = convVariants(caps, pass, geometry, largestBinding);
  if (forced === undefined) return variants[0] ?? 'plain';
  if (variants.includes(forced)) return forced;
  throw new ArgumentError(`conv2d: variant ${forced} cannot run here; expected one of ${variants.join(', ')}`);
}
