import directSource from '../../../shaders/conv_direct.wgsl';
import packSource from '../../../shaders/conv_pack.wgsl';
import sumSource from '../../../shaders/conv_sum.wgsl';
import weightGradSource from '../../../shaders/conv_weight_grad.wgsl';
import type { Capabilities, Device } from '../../device.js';
import { defineEpilogueKernel, defineKernel, foldWorkgroups, strideWorkgroups } from '../../kernel.js';
import type { Sharing } from '../../priors.js';
import { sizeOf } from '../../shape.js';
import type { Tensor } from '../../tensor.js';
import { forwardWalk, inputGradWalks, type ConvGeometry, type ConvPass, type Walk } from './geometry.js';

const packKernel = defineKernel({ name: 'conv_pack', source: packSource, bindings: ['read', 'write'] });
const sumKernel = defineKernel({ name: 'conv_sum', source: sumSource, bindings: ['read', 'write'] });
const directKernel = defineEpilogueKernel({
  name: 'conv_direct',
  source: directSource,
  bindings: ['read', 'read', 'read', 'write'],
});
const weightGradKernel = defineKernel({
  name: 'conv_weight_grad',
  source: weightGradSource,
  bindings: ['read', 'read', 'write'],
});

/** Registers of one lane: `k` output channels at a patch of `y` x `x` positions. */
export interface Patch {
  readonly k: number;
  readonly y: number;
  readonly x: number;
}

/** Kernel taps that are unrolled together. */
interface TapBlock {
  readonly r: number;
  readonly q: number;
}

/** Blocks of taps need neighbouring positions to read neighbouring inputs: stride and dilation 1. */
function tapBlock({ kernel, stride, dilation }: ConvGeometry, wholeRows: boolean): TapBlock {
  const unit = (axis: 0 | 1): boolean => stride[axis] === 1 && dilation[axis] === 1;
  if (unit(0) && unit(1) && kernel[0] === 3 && kernel[1] === 3) return { r: 3, q: 3 };
  return { r: 1, q: wholeRows && unit(1) && kernel[1] <= 7 ? kernel[1] : 1 };
}

/**
 * The measured table of register tiles: on 8-wide vectors (llvmpipe, broadcast) 32 sums a lane are best, on 4-wide ones
 * (SwiftShader, quad) 64.
 */
function directPatch(sharing: Sharing, block: TapBlock, k: number): Patch {
  if (k === 1) return { k: 1, y: 4, x: 4 };
  if (k <= 4) return { k: 4, y: 2, x: 4 };
  if (block.r === 1 && block.q > 1) return { k: 8, y: 1, x: 4 };
  if (sharing !== 'quad') return { k: 8, y: 2, x: 2 };
  return block.r === 3 ? { k: 8, y: 2, x: 4 } : { k: 16, y: 2, x: 2 };
}

/** Lanes of a workgroup: one subgroup on software adapters, where more of them only cost synchronisation. */
function lanes(caps: Capabilities, sharing: Sharing): number {
  if (caps.software && sharing !== 'plain') return caps.subgroupSize;
  return Math.max(64, caps.subgroupSize);
}

function sharingConstants(sharing: Sharing, caps: Capabilities) {
  return {
    SG: Math.max(4, caps.subgroupSize),
    SHARED: sharing !== 'plain',
    BCAST: sharing === 'broadcast',
    QUAD: sharing === 'quad',
  };
}

/** Tensors of a gathering pass: `input` is the image or, in the input gradient, dY. */
export interface GatherTensors {
  readonly input: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor | undefined;
  readonly output: Tensor;
}

/** What the dispatches of one gathering pass have in common. */
interface Gather {
  readonly geometry: ConvGeometry;
  /** The input gradient: input and output change places. */
  readonly turned: boolean;
  /** Channels of a group that are computed, and that are summed over. */
  readonly k: number;
  readonly c: number;
  readonly sharing: Sharing;
  readonly block: TapBlock;
  /** Tap blocks of the kernel. */
  readonly blocks: number;
  readonly patch: Patch;
}

function planGather(geometry: ConvGeometry, turned: boolean, wanted: Sharing): Gather {
  const [k, c] = turned ? [geometry.c, geometry.k] : [geometry.k, geometry.c];
  // Quads share four channels at a time.
  const sharing = wanted === 'quad' && k === 1 ? 'plain' : wanted;
  const block = tapBlock(geometry, true);
  const blocks = (geometry.kernel[0] * geometry.kernel[1]) / (block.r * block.q);
  return { geometry, turned, k, c, sharing, block, blocks, patch: directPatch(sharing, block, k) };
}

/** The forward pass or the input gradient, by conv_direct. */
export function directGather(
  device: Device,
  geometry: ConvGeometry,
  pass: Exclude<ConvPass, 'weightGrad'>,
  sharing: Sharing,
  tensors: GatherTensors,
): void {
  const plan = planGather(geometry, pass === 'inputGrad', sharing);
  const packed = packWeight(device, plan, tensors.weight);
  const constants = gatherConstants(device.caps, plan);
  const walks = (axis: 0 | 1): Walk[] => (plan.turned ? inputGradWalks(geometry, axis) : [forwardWalk(geometry, axis)]);
  const kBlocks = Math.ceil(plan.k / plan.patch.k);
  for (const v of walks(0)) {
    for (const h of walks(1)) {
      const [tilesY, tilesX] = [Math.ceil(v.grid / plan.patch.y), Math.ceil(h.grid / plan.patch.x)];
      const tiles = geometry.images * tilesY * tilesX;
      const [gridX, gridY] = foldWorkgroups(Math.ceil(tiles / constants.WG));
      device.dispatch({
        kernel: directKernel,
        constants: { ...constants, ONE_BLOCK: v.count === plan.block.r && h.count === plan.block.q },
        buffers: [tensors.input.range, packed.range, (tensors.bias ?? packed).range, tensors.output.range],
        uniforms: [tiles, tilesY, tilesX, gridX, ...walkWords(plan, v, h), tensors.bias ? 1 : 0],
        workgroups: [gridX, gridY, kBlocks * geometry.groups],
        label: `conv2d ${pass} direct ${plan.sharing}`,
        flops: 2 * geometry.images * geometry.groups * geometry.c * geometry.k * v.grid * h.grid * v.count * h.count,
      });
    }
  }
}

function gatherConstants(caps: Capabilities, { sharing, block, patch, k }: Gather) {
  const weights = block.r * block.q * patch.k;
  const shared = sharingConstants(sharing, caps);
  return {
    ...shared,
    ...{ WG: lanes(caps, sharing), TY: patch.y, TX: patch.x, TP: patch.y * patch.x },
    ...{ TK: patch.k, TK4: Math.floor(patch.k / 4), BR: block.r, BQ: block.q, NW: weights },
    ...{ PH: patch.y + block.r - 1, PW: patch.x + block.q - 1 },
    NL: Math.ceil(weights / shared.SG),
    NB: Math.ceil(patch.k / shared.SG),
    FULL: k % patch.k === 0,
    EPILOGUE: 'none',
    FOURS: sharing !== 'broadcast' && patch.k % 4 === 0,
    VEC_WEIGHT: sharing === 'plain' && patch.k % 4 === 0,
  };
}

/** The uniforms of conv_direct from `c` to `outOriginX`. */
function walkWords({ geometry, turned, k, c, block, blocks, patch }: Gather, v: Walk, h: Walk): number[] {
  const [source, target] = turned ? [geometry.output, geometry.input] : [geometry.input, geometry.output];
  const rowBlocks = geometry.kernel[1] / block.q;
  const each = (pick: (walk: Walk) => number): number[] => [pick(v), pick(h)];
  return [
    ...[c, ...source],
    ...each((walk) => walk.inStride),
    ...each((walk) => walk.origin),
    ...each((walk) => walk.step),
    ...[v.count / block.r, h.count / block.q],
    ...[v.tap * rowBlocks + h.tap, v.tapStride * rowBlocks, h.tapStride, blocks],
    ...[k, Math.ceil(k / patch.k), geometry.groups, v.grid, h.grid, ...target],
    ...each((walk) => walk.outStride),
    ...each((walk) => walk.outOrigin),
  ];
}

/** What a packing of weights goes by. */
type Packing = Pick<Gather, 'geometry' | 'turned' | 'k' | 'c' | 'block' | 'blocks' | 'patch'>;

/** The weights in the order in which a gathering kernel takes them; see conv_pack.wgsl. */
export function packWeight(device: Device, plan: Packing, weight: Tensor): Tensor {
  const { geometry, turned, k, c, block, blocks, patch } = plan;
  const kBlocks = Math.ceil(k / patch.k);
  const taps = block.r * block.q;
  const size = geometry.groups * kBlocks * blocks * c * taps * patch.k;
  const packed = device.empty([size]);
  if (size === 0) return packed;
  const [inner, outer] = [blocks * taps, geometry.c * blocks * taps];
  device.dispatch({
    kernel: packKernel,
    constants: { TK: patch.k, TAPS: taps },
    buffers: [weight.range, packed.range],
    uniforms: [
      ...[size, k, c, kBlocks, blocks, geometry.k * outer],
      ...(turned ? [inner, outer, 1] : [outer, inner, 0]),
    ],
    workgroups: strideWorkgroups(size, device.caps),
    reusable: 'always',
    label: 'conv2d pack weight',
  });
  return packed;
}

/** The measured table of register tiles of conv_weight_grad; `columns` are (channel, tap block) pairs of a lane. */
function weightGradPatch(sharing: Sharing, block: TapBlock, k: number): Patch & { readonly columns: number } {
  if (k === 1) return { k: 1, y: 2, x: 4, columns: 1 };
  if (k <= 4) return { k: 4, y: 2, x: 2, columns: block.r === 1 ? 2 : 1 };
  if (block.r === 1) return { k: 16, y: 1, x: 2, columns: 2 };
  return sharing === 'quad' ? { k: 8, y: 2, x: 4, columns: 1 } : { k: 8, y: 2, x: 2, columns: 1 };
}

/** The weight gradient, by conv_weight_grad. */
export function directWeightGrad(
  device: Device,
  g: ConvGeometry,
  wanted: Sharing,
  input: Tensor,
  dy: Tensor,
  output: Tensor,
): void {
  const { caps } = device;
  // Quads share four channels at a time.
  const sharing = wanted === 'quad' && g.k === 1 ? 'plain' : wanted;
  // With few channels there are more lanes than channels: then one lane for each tap.
  const block = g.c < 4 ? { r: 1, q: 1 } : tapBlock(g, false);
  const patch = weightGradPatch(sharing, block, g.k);
  const constants = weightGradConstants(caps, sharing, block, patch);
  const [blocksY, blocksX] = [g.kernel[0] / block.r, g.kernel[1] / block.q];
  const [tilesY, tilesX] = [Math.ceil(g.output[0] / patch.y), Math.ceil(g.output[1] / patch.x)];
  const tiles = g.images * tilesY * tilesX;
  const kBlocks = Math.ceil(g.k / patch.k);
  const columns = Math.ceil((g.c * blocksY * blocksX) / (constants.WG * patch.columns));
  const busy = Math.ceil((caps.software ? 32 : 1024) / (columns * kBlocks * g.groups));
  const perSplit = Math.ceil(tiles / Math.max(1, Math.min(busy, Math.floor(tiles / 16))));
  const splits = Math.ceil(tiles / perSplit);
  const padded = Math.ceil(output.size / 4) * 4;
  const partial = splits === 1 ? output : device.empty([splits, padded]);
  device.dispatch({
    kernel: weightGradKernel,
    constants,
    buffers: [input.range, dy.range, partial.range],
    uniforms: [
      ...[g.images, tilesY, tilesX, perSplit, padded, g.c, g.k, kBlocks, g.groups, blocksY, blocksX],
      ...[...g.input, ...g.output, ...g.stride, -g.padding[0], -g.padding[1], ...g.dilation],
    ],
    workgroups: [columns, kBlocks * g.groups, splits],
    label: `conv2d weightGrad direct ${sharing}`,
    flops: 2 * g.images * g.groups * g.c * g.k * sizeOf(g.kernel) * sizeOf(g.output),
  });
  if (splits > 1) sumPartials(device, partial, output, splits);
}

function weightGradConstants(
  caps: Capabilities,
  sharing: Sharing,
  block: TapBlock,
  patch: ReturnType<typeof weightGradPatch>,
) {
  const shared = sharingConstants(sharing, caps);
  return {
    ...shared,
    ...{ WG: caps.software ? shared.SG : Math.max(32, shared.SG), TY: patch.y, TX: patch.x, TP: patch.y * patch.x },
    ...{
      TK: patch.k,
      TK4: Math.floor(patch.k / 4),
      TN: patch.columns,
      BR: block.r,
      BQ: block.q,
      BT: block.r * block.q,
    },
    ...{ PH: patch.y + block.r - 1, PW: patch.x + block.q - 1 },
    NL: Math.ceil((patch.k * patch.y * patch.x) / shared.SG),
  };
}

/** Adds `splits` partial results, each padded to a multiple of four values, in their order. */
export function sumPartials(device: Device, partial: Tensor, output: Tensor, splits: number): void {
  const size = Math.ceil(output.size / 4);
  const [gridX, gridY] = foldWorkgroups(Math.ceil(size / 64));
  device.dispatch({
    kernel: sumKernel,
    buffers: [partial.range, output.range],
    uniforms: [size, splits, gridX],
    workgroups: [gridX, gridY],
    label: 'conv2d sum of splits',
  });
}
