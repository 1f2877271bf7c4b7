import type { Capabilities } from '../../device.js';
import { ArgumentError } from '../../errors.js';
import { priorsOf, type Sharing } from '../../priors.js';
import type { ConvGeometry, ConvPass } from './geometry.js';
import { rowVectors, rowsFill, rowsFit } from './rows.js';
import { tileFill } from './tile.js';
import { winogradBytes, winogradFill, winogradFits, winogradTile, type WinogradTile } from './winograd.js';

/**
 * A convolution kernel: Winograd with tiles of 4 x 4 or 2 x 2 outputs, whole rows, tiles of an implicit matrix product, or direct with
 * a way for lanes to share what is the same for all of them.
 */
export type ConvVariant = `winograd${WinogradTile}` | 'rows' | 'tile' | Sharing;

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
  const priors = priorsOf(caps);
  const candidates: { variant: ConvVariant; cost: number }[] = priors.sharing.map((variant, rank) => ({
    variant,
    cost: rank === 0 ? 1 : Infinity,
  }));
  candidates.push({ variant: 'tile', cost: priors.tile / tileFill(geometry, pass) });
  if (pass !== 'weightGrad' && rowsFit(caps, geometry)) {
    const cost = priors.rows[rowVectors(caps, geometry, pass) - 1] ?? Infinity;
    candidates.push({ variant: 'rows', cost: cost / rowsFill(caps, geometry, pass) });
  }
  for (const variant of winogradFits(geometry) ? (['winograd4', 'winograd2'] as const) : []) {
    const tile = winogradTile(variant);
    if (winogradBytes(caps, tile, geometry, pass) > largestBinding) continue;
    const { transform, product } = priors[variant][pass === 'weightGrad' ? 'weightGrad' : 'gather'];
    const { c, k } = geometry;
    // Winograd computes whole tiles, the direct kernel only the positions inside the image.
    const cost = (transform * (c + k) + product * c * k) / (c * k * winogradFill(tile, geometry, pass));
    candidates.push({ variant, cost });
  }
  return candidates.sort((one, other) => one.cost - other.cost).map(({ variant }) => variant);
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
