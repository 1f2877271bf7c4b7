import quadSource from '../../shaders/gemm_quad.wgsl';
import tileOperands from '../../shaders/gemm_tile.wgsl';
import tileProduct from '../../shaders/parts/tile_product.wgsl';
import type { Capabilities, Device } from '../device.js';
import { defineKernel, type Kernel } from '../kernel.js';
import { priorsOf } from '../priors.js';
import { Generator } from '../random.js';
import { sizeOf } from '../shape.js';
import type { Constants } from '../template.js';
import type { Tensor } from '../tensor.js';
import { bucket, type VariantTrial } from '../variants.js';
import { rand } from './random.js';
import { reduceInto } from './reduce.js';

const PLAIN = ['read', 'read', 'write'] as const;
const BIASED = ['read', 'read', 'write', 'read'] as const;

const tileSource = tileOperands + tileProduct;

/** The two kernels, each with and without a bias binding. */
const KERNELS: Record<GemmVariant['kind'], { readonly plain: Kernel; readonly biased: Kernel }> = {
  quad: {
    plain: defineKernel({ name: 'gemm_quad', source: quadSource, bindings: PLAIN }),
    biased: defineKernel({ name: 'gemm_quad', source: quadSource, bindings: BIASED }),
  },
  tile: {
    plain: defineKernel({ name: 'gemm_tile', source: tileSource, bindings: PLAIN }),
    biased: defineKernel({ name: 'gemm_tile', source: tileSource, bindings: BIASED }),
  },
};

/** Two batch axes and each operand's steps along them, in elements; 0 repeats an operand. */
export interface GemmBatch {
  readonly outer: number;
  readonly inner: number;
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
  readonly out: readonly [number, number];
}

/** One batched product out[z] = op(a[z]) op(b[z]) + bias, with op(a) M x K, op(b) K x N, all row-major. */
export interface GemmCall {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly out: Tensor;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** The operand is stored transposed: `a` as K x M, `b` as N x K. */
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly batch?: GemmBatch;
  /** One value per column of `out`. */
  readonly bias?: Tensor;
}

/** A kernel and its tile: what `chooseGemm` decides and tests force. */
export type GemmVariant =
  | {
      /**
       * Outer product permuted among `share` neighbouring lanes; needs subgroups, of exactly 8 lanes where 8 share. 4 `q` rows to a
       * workgroup, at least `share`; 4 `threads` columns.
       */
      readonly kind: 'quad';
      readonly q: 1 | 2 | 4 | 8;
      readonly share: 4 | 8;
      readonly threads: number;
      readonly splits: number;
    }
  | {
      /** Tiles in workgroup memory, 256 invocations, `t` x `t` results each; base features only. */
      readonly kind: 'tile';
      readonly t: 4 | 8;
      /** Hide the inner loop's bound from compilers that would unroll it. */
      readonly opaque: boolean;
      readonly splits: number;
    };

/** The tile of `out` that a workgroup computes. */
function tileOf(variant: GemmVariant): { rows: number; columns: number } {
  return variant.kind === 'quad'
    ? { rows: 4 * variant.q, columns: 4 * variant.threads }
    : { rows: 16 * variant.t, columns: 16 * variant.t };
}

/** Workgroups that keep an adapter busy; fewer, with a long K, are worth splitting K for. */
const BUSY = { software: 16, gpu: 256 };
const SHORTEST_SPLIT = 256;

/** Multiplications below which a product is not worth the code, and so the compilation, of larger register tiles. */
const SMALL = { one: 2 ** 16, two: 2 ** 22 };

/** What decides how a product is computed. */
type ProductSizes = Pick<GemmCall, 'M' | 'N' | 'K' | 'transA' | 'batch'>;

/** The variant for a product of this size on an adapter with these capabilities. */
export function chooseGemm(caps: Capabilities, sizes: ProductSizes): GemmVariant {
  const { M, N, K, batch } = sizes;
  const count = batch ? batch.outer * batch.inner : 1;
  const variant = chooseTile(caps, sizes, M * N * K * count);
  const { rows, columns } = tileOf(variant);
  const wanted = Math.ceil(
    (caps.software ? BUSY.software : BUSY.gpu) / (Math.ceil(M / rows) * Math.ceil(N / columns) * count),
  );
  return { ...variant, splits: Math.max(1, Math.min(wanted, Math.floor(K / SHORTEST_SPLIT), 64)) };
}

function chooseTile(caps: Capabilities, { M, N, transA = false }: ProductSizes, work: number): GemmVariant {
  if (priorsOf(caps).product === 'quad') {
    // Loads that only a quad shares are worth twice the sums, though they spill.
    const large = caps.subgroupSize === 4 && M % 32 === 0 && !transA ? 8 : 4;
    const q = M <= 4 || work < SMALL.one ? 1 : M <= 8 || work < SMALL.two ? 2 : large;
    const threads = N <= 16 ? 4 : caps.subgroupSize;
    return { kind: 'quad', q, share: threads === 8 && q > 1 ? 8 : 4, threads, splits: 1 };
  }
  const t = M > 96 && N > 96 ? 8 : 4;
  return { kind: 'tile', t, opaque: caps.software, splits: 1 };
}

/** The variants that can compute a product on an adapter, the preferred one first. */
export function gemmVariants(caps: Capabilities, sizes: ProductSizes): GemmVariant[] {
  const first = chooseGemm(caps, sizes);
  const { splits } = first;
  const tiles = ([4, 8] as const).map((t): GemmVariant => ({ kind: 'tile', t, opaque: caps.software, splits }));
  const shares = caps.subgroupSize === 8 ? ([4, 8] as const) : ([4] as const);
  const quads = ([2, 4] as const).flatMap((q) =>
    shares.map((share): GemmVariant => ({ kind: 'quad', q, share, threads: caps.subgroupSize, splits })),
  );
  const others: GemmVariant[] = [...tiles, ...(caps.subgroupSize >= 4 ? quads : []), { ...first, splits: 1 }];
  const texts = new Set([JSON.stringify(first)]);
  return [first, ...others.filter((variant) => texts.size < texts.add(JSON.stringify(variant)).size)];
}

function chosenGemm(device: Device, call: GemmCall): GemmVariant {
  const candidates = gemmVariants(device.caps, call);
  const choice = device.variants.choose(gemmKey(call), candidates, () => gemmTrial(device, call, candidates));
  return candidates[choice] ?? chooseGemm(device.caps, call);
}

/** What decides which variant is best: magnitudes, and whether whole vectors can be loaded. */
function gemmKey({ M, N, K, transA = false, transB = false, batch, bias }: GemmCall): string {
  const size = (name: string, value: number): string => `${name}${bucket(value)}${value % 4 === 0 ? '' : ' odd'}`;
  const form = [transA ? 'at' : 'a', transB ? 'bt' : 'b', bias ? 'bias' : ''].join(' ').trim();
  const count = batch ? batch.outer * batch.inner : 1;
  return ['matmul', form, size('m', M), size('n', N), size('k', K), `batch${bucket(count)}`].join('|');
}

function gemmTrial(device: Device, call: GemmCall, candidates: readonly GemmVariant[]): VariantTrial {
  const { a, b, out, bias, ...sizes } = call;
  const shapes = [a.shape, b.shape, ...(bias ? [bias.shape] : [])];
  const outShape = out.shape;
  return {
    plain: candidates.findIndex(({ kind }) => kind === 'tile'),
    inputs: () => shapes.map((shape, seed) => rand(shape, { device, generator: new Generator(seed) })),
    record: (variant, inputs) => {
      const [left, right, shift] = inputs;
      const result = device.empty(outShape);
      if (left && right) {
        gemm(device, { ...sizes, a: left, b: right, out: result, ...(shift && { bias: shift }) }, candidates[variant]);
      }
      return result;
    },
  };
}

function constantsOf(call: GemmCall, variant: GemmVariant): Constants {
  const { M, N, K, transA = false, transB = false, batch, bias } = call;
  const aligned = (...numbers: number[]): boolean => numbers.every((value) => value % 4 === 0);
  const shared = {
    A_TRANS: transA,
    B_TRANS: transB,
    A_VEC: aligned(transA ? M : K, ...(batch?.a ?? [])),
    B_VEC: aligned(transB ? K : N, ...(batch?.b ?? [])),
    BIAS: bias !== undefined,
  };
  const outVec = aligned(N, ...(batch?.out ?? []));
  if (variant.kind === 'quad') {
    const { rows, columns } = tileOf(variant);
    const EXACT = M % rows === 0 && N % columns === 0 && K % 4 === 0;
    return { ...shared, C_VEC: outVec, Q: variant.q, SHARE: variant.share, WG: variant.threads, EXACT };
  }
  const t = variant.t;
  return {
    ...shared,
    C_VEC: outVec && !transB,
    BM: 16 * t,
    BN: 16 * t,
    BK: 64 / t,
    KV: 16 / t,
    TM: t,
    TN: t,
    RM: t / 4,
    RN: t / 4,
    OPAQUE: variant.opaque,
  };
}

/** A product with one column as the product with one row that it is too: rows of vectors are what the kernels are good at. */
function asRow(call: GemmCall): GemmCall {
  const { a, b, M, N, transA = false, batch, bias } = call;
  if (N !== 1 || M === 1 || bias) return call;
  const turned = { ...call, a: b, b: a, M: 1, N: M, transA: false, transB: !transA };
  return batch ? { ...turned, batch: { ...batch, a: batch.b, b: batch.a } } : turned;
}

/**
 * Records a batched matrix product. Long sums of small products are split over K, and the parts added in a fixed order by
 * a second kernel, so the result depends on the sizes and the variant alone. Tests force a variant.
 */
export function gemm(device: Device, asked: GemmCall, forced?: GemmVariant): void {
  const call = asRow(asked);
  const { out, M, N, K, transA = false, transB = false, bias } = call;
  const batch = call.batch ?? { outer: 1, inner: 1, a: [0, 0], b: [0, 0], out: [0, 0] };
  const count = batch.outer * batch.inner;
  if (M * N * count === 0) return;
  const variant = forced ?? chosenGemm(device, call);
  // Slices are whole multiples of four steps, so that vector loads stay aligned; rounding may leave fewer of them.
  const chunk = Math.max(1, Math.ceil(K / variant.splits / 4)) * 4;
  const splits = Math.max(1, Math.ceil(K / chunk));
  const target = splits > 1 ? device.empty([splits, out.size]) : out;
  const { rows, columns } = tileOf(variant);
  const limit = device.gpu.limits.maxComputeWorkgroupsPerDimension;
  const tiles = [Math.ceil(N / columns), Math.ceil(M / rows), count * splits] as const;
  for (let z = 0; z < tiles[2]; z += limit) {
    for (let y = 0; y < tiles[1]; y += limit) {
      for (let x = 0; x < tiles[0]; x += limit) {
        const workgroups = [
          Math.min(limit, tiles[0] - x),
          Math.min(limit, tiles[1] - y),
          Math.min(limit, tiles[2] - z),
        ] as const;
        device.dispatch({
          kernel: bias ? KERNELS[variant.kind].biased : KERNELS[variant.kind].plain,
          constants: constantsOf(call, variant),
          buffers: [call.a, call.b, target, ...(bias ? [bias] : [])].map((tensor) => tensor.range),
          // prettier-ignore
          uniforms: [
            M, N, K, chunk,
            transA ? M : K, transB ? K : N, N, out.size,
            splits, batch.inner, ...batch.a, ...batch.b, ...batch.out,
            y, x, z,
          ],
          workgroups,
          // This dispatch's part of the tiles.
          flops: (2 * M * N * K * count * sizeOf(workgroups)) / sizeOf(tiles),
        });
      }
    }
  }
  if (splits > 1) {
    reduceInto(device, 'sum', target, out, [0]);
    target.dispose();
  }
}
