/** What is expected to be fastest on an adapter before anything is measured there. */
import type { Capabilities } from './device.js';

/** Kinds of adapters that expectations are kept for. */
export type AdapterClass = 'llvmpipe' | 'swiftshader' | 'nvidia' | 'amd' | 'intel' | 'apple' | 'generic';

/** How lanes share what is the same for all of them; see conv_direct.wgsl. */
export type Sharing = 'broadcast' | 'quad' | 'plain';

/** The time of Winograd, `transform (c + k) + product c k`, in units of the direct kernel's for a pair of channels. */
interface WinogradCost {
  readonly transform: number;
  readonly product: number;
}

/** One row of the table. */
export interface Priors {
  /** Ways of sharing, the best first. */
  readonly sharing: readonly Sharing[];
  readonly winograd4: { readonly gather: WinogradCost; readonly weightGrad: WinogradCost };
  readonly winograd2: { readonly gather: WinogradCost; readonly weightGrad: WinogradCost };
  /** The time of whole rows relative to the direct kernel's, by vectors of columns from 1 up; none: not worth trying first. */
  readonly rows: readonly number[];
  /** The time of tiles of an implicit matrix product relative to the direct kernel's, where all rows of a tile are there. */
  readonly tile: number;
  /** The kernel of matrix products. */
  readonly product: 'quad' | 'tile';
}

/**
 * Loads are what llvmpipe takes time for, exchanges between lanes what SwiftShader does. Nothing has been measured on GPUs yet, so these
 * are estimates until `tune` has measured: that products by tiles reach half of what a GPU computes and direct convolutions a quarter,
 * that Winograd's products take 1/4 and 4/9 of the multiplications, and its transforms 20 and 30 bytes of memory for every element.
 */
const GPU: Priors = {
  sharing: ['plain', 'quad', 'broadcast'],
  winograd4: { gather: { transform: 3, product: 0.13 }, weightGrad: { transform: 3, product: 0.13 } },
  winograd2: { gather: { transform: 5, product: 0.22 }, weightGrad: { transform: 5, product: 0.22 } },
  rows: [],
  tile: 0.5,
  product: 'tile',
};

const TABLE: Readonly<Record<AdapterClass, Priors>> = {
  // Mesa 25.0 with LLVM 15, 8 lanes, in turn on one machine.
  llvmpipe: {
    sharing: ['broadcast', 'quad', 'plain'],
    winograd4: { gather: { transform: 9, product: 0.27 }, weightGrad: { transform: 6, product: 0.3 } },
    winograd2: { gather: { transform: 14, product: 0.5 }, weightGrad: { transform: 8, product: 0.5 } },
    rows: [0.75, 0.65, 0.75, 0.72],
    tile: Infinity,
    product: 'quad',
  },
  // SwiftShader with Subzero, 4 lanes.
  swiftshader: {
    sharing: ['quad', 'broadcast', 'plain'],
    winograd4: { gather: { transform: 6, product: 0.42 }, weightGrad: { transform: 2, product: 0.49 } },
    winograd2: { gather: { transform: 8, product: 0.55 }, weightGrad: { transform: 4, product: 0.65 } },
    rows: [],
    tile: Infinity,
    product: 'quad',
  },
  nvidia: GPU,
  amd: GPU,
  intel: GPU,
  apple: GPU,
  generic: GPU,
};

/** The kind of an adapter. */
export function adapterClass({ software, subgroupSize, vendor }: Capabilities): AdapterClass {
  if (software) return subgroupSize === 4 ? 'swiftshader' : 'llvmpipe';
  const known = ['nvidia', 'amd', 'intel', 'apple'] as const;
  return known.find((name) => vendor.toLowerCase().includes(name)) ?? 'generic';
}

/** What is expected of an adapter, with only what it can do: lanes share nothing without subgroups. */
export function priorsOf(caps: Capabilities): Priors {
  const priors = TABLE[adapterClass(caps)];
  return caps.subgroupSize >= 4 ? priors : { ...priors, sharing: ['plain'], rows: [], product: 'tile' };
}
