import inputSource from '../../../shaders/winograd_input.wgsl';
import outputSource from '../../../shaders/winograd_output.wgsl';
import outputGradSource from '../../../shaders/winograd_output_grad.wgsl';
import weightSource from '../../../shaders/winograd_weight.wgsl';
import weightGradSource from '../../../shaders/winograd_weight_grad.wgsl';
import type { Capabilities, Device } from '../../device.js';
import type { BufferRange, Kernel } from '../../kernel.js';
import { defineEpilogueKernel, defineKernel, foldWorkgroups } from '../../kernel.js';
import type { Constants } from '../../template.js';
import type { Tensor } from '../../tensor.js';
import { gemm } from '../gemm.js';
import type { GatherTensors } from './direct.js';
import type { ConvGeometry, ConvPass } from './geometry.js';
import type { Two } from '../pair.js';

const inputKernel = defineKernel({ name: 'winograd_input', source: inputSource, bindings: ['read', 'write'] });
const weightKernel = defineKernel({ name: 'winograd_weight', source: weightSource, bindings: ['read', 'write'] });
const outputKernel = defineEpilogueKernel({
  name: 'winograd_output',
  source: outputSource,
  bindings: ['read', 'read', 'write'],
});
const outputGradKernel = defineKernel({
  name: 'winograd_output_grad',
  source: outputGradSource,
  bindings: ['read', 'write'],
});
const weightGradKernel = defineKernel({
  name: 'winograd_weight_grad',
  source: weightGradSource,
  bindings: ['read', 'write'],
});

/** Bytes that the transforms of one convolution may take; with more it goes through the images in parts. */
const WORKSPACE = { software: 6 * 2 ** 20, gpu: 64 * 2 ** 20 };

/** Outputs along a side of a tile: F(4x4, 3x3) multiplies less, F(2x2, 3x3) is as accurate as the definition and wastes less at edges. */
export type WinogradTile = 2 | 4;

/** The tile that a variant's name ends in. */
export function winogradTile(variant: `winograd${WinogradTile}`): WinogradTile {
  return variant === 'winograd4' ? 4 : 2;
}

/** Products per tile and pair of channels. */
function pointsOf(tile: WinogradTile): number {
  return (tile + 2) ** 2;
}

/** Whether F(4x4, 3x3) and F(2x2, 3x3) compute this convolution: 3 x 3, stride 1, dilation 1, one group, padding of at most 2. */
export function winogradFits({ kernel, stride, dilation, padding, groups }: ConvGeometry): boolean {
  const all = (pair: Two, value: number): boolean => pair[0] === value && pair[1] === value;
  return all(kernel, 3) && all(stride, 1) && all(dilation, 1) && groups === 1 && padding[0] <= 2 && padding[1] <= 2;
}

/** Share of the tiles' positions that lie inside the image that the pass tiles. */
export function winogradFill(tile: WinogradTile, { input, output }: ConvGeometry, pass: ConvPass): number {
  const size = pass === 'inputGrad' ? input : output;
  const fill = (axis: 0 | 1): number => size[axis] / (tile * Math.ceil(size[axis] / tile));
  return fill(0) * fill(1);
}

/** Bytes of the largest binding: of transformed images, a part of them at a time, or of transformed weights. */
export function winogradBytes(caps: Capabilities, tile: WinogradTile, g: ConvGeometry, pass: ConvPass): number {
  const size = pass === 'inputGrad' ? g.input : g.output;
  const weight = resultBytes(tile, g);
  const parts = partsOf(caps, tile, g, size, pass === 'weightGrad' ? weight : 0);
  const tiles = tilesOver(tile, Math.ceil(g.images / parts), size);
  return Math.max(
    4 * pointsOf(tile) * Math.max(g.c, g.k) * tiles.count,
    pass === 'weightGrad' ? parts * weight : weight,
  );
}

/** Tiles of all images, in the order of the transforms. */
interface Tiling {
  readonly tile: WinogradTile;
  /** The first image, and how many. */
  readonly first: number;
  readonly images: number;
  readonly y: number;
  readonly x: number;
  /** Padded to a multiple of four. */
  readonly count: number;
}

function tilesOver(tile: WinogradTile, images: number, size: Two, first = 0): Tiling {
  const [y, x] = [Math.ceil(size[0] / tile), Math.ceil(size[1] / tile)];
  return { tile, first, images, y, x, count: Math.ceil((images * y * x) / 4) * 4 };
}

function transform(
  device: Device,
  kernel: Kernel,
  tile: WinogradTile,
  buffers: readonly BufferRange[],
  count: number,
  uniforms: readonly number[],
  { constants = {}, reusable }: { constants?: Constants; reusable?: 'always' | 'spare' } = {},
): void {
  const workgroups = foldWorkgroups(Math.ceil(count / 64));
  device.dispatch({
    kernel,
    constants: { TILE: tile, SIDE: tile + 2, ...constants },
    buffers,
    uniforms: [...uniforms, workgroups[0]],
    workgroups,
    ...(reusable && { reusable }),
  });
}

/** The uniforms of a transform from `count` to `tilesX`. */
function tileWords(channels: number, { first, images, y, x, count }: Tiling): number[] {
  return [channels * count, channels, count, first, images, y, x];
}

/** V = B^T d B of every window: `[points, channels, tiles]`. */
function transformInput(device: Device, x: Tensor, channels: number, size: Two, padding: Two, tiles: Tiling): Tensor {
  const v = device.empty([pointsOf(tiles.tile), channels, tiles.count]);
  const words = [...tileWords(channels, tiles), ...size, ...padding];
  transform(device, inputKernel, tiles.tile, [x.range, v.range], channels * tiles.count, words, { reusable: 'spare' });
  return v;
}

/** The forward pass or the input gradient, which is a forward pass of dY with turned kernels and padding 2 - p. */
export function winogradGather(
  device: Device,
  tile: WinogradTile,
  g: ConvGeometry,
  pass: Exclude<ConvPass, 'weightGrad'>,
  { input, weight, bias, output }: GatherTensors,
): void {
  const turned = pass === 'inputGrad';
  const [k, c] = turned ? [g.c, g.k] : [g.k, g.c];
  const [from, to] = turned ? [g.output, g.input] : [g.input, g.output];
  const padding: Two = turned ? [2 - g.padding[0], 2 - g.padding[1]] : g.padding;
  const points = pointsOf(tile);
  const u = device.empty([points, k, c]);
  const steps = turned ? [9, g.c * 9] : [g.c * 9, 9];
  transform(device, weightKernel, tile, [weight.range, u.range], k * c, [k, c, ...steps], {
    constants: { FLIP: turned },
    reusable: 'always',
  });
  inParts(device, partsOf(device.caps, tile, g, to), g.images, (first, images) => {
    const tiles = tilesOver(tile, images, to, first);
    const v = transformInput(device, input, c, from, padding, tiles);
    const m = device.empty([points, k, tiles.count]);
    gemm(device, {
      ...{ a: u, b: v, out: m, M: k, N: tiles.count, K: c },
      batch: { outer: points, inner: 1, a: [k * c, 0], b: [c * tiles.count, 0], out: [k * tiles.count, 0] },
    });
    const words = [...tileWords(k, tiles), ...to, bias ? 1 : 0];
    const whole = to[0] % tile === 0 && to[1] % tile === 0 && tiles.count === tiles.images * tiles.y * tiles.x;
    transform(device, outputKernel, tile, [m.range, (bias ?? u).range, output.range], k * tiles.count, words, {
      constants: { WHOLE: whole, EPILOGUE: 'none' },
    });
  });
}

/** The weight gradient: the adjoint of the forward pass in the transformed weight. */
export function winogradWeightGrad(
  device: Device,
  tile: WinogradTile,
  g: ConvGeometry,
  input: Tensor,
  dy: Tensor,
  output: Tensor,
): void {
  const { k, c } = g;
  const points = pointsOf(tile);
  const stride = resultBytes(tile, g) / 4;
  const parts = partsOf(device.caps, tile, g, g.output, 4 * stride);
  const du = device.empty([parts, stride]);
  inParts(device, parts, g.images, (first, images, part) => {
    const tiles = tilesOver(tile, images, g.output, first);
    const v = transformInput(device, input, c, g.input, g.padding, tiles);
    const z = device.empty([points, k, tiles.count]);
    const words = [...tileWords(k, tiles), ...g.output];
    transform(device, outputGradKernel, tile, [dy.range, z.range], k * tiles.count, words);
    const out = du.subrange(4 * part * stride, [points, k, c]);
    gemm(device, {
      ...{ a: z, b: v, out, M: k, N: c, K: tiles.count, transB: true },
      batch: { outer: points, inner: 1, a: [k * tiles.count, 0], b: [c * tiles.count, 0], out: [k * c, 0] },
    });
  });
  transform(device, weightGradKernel, tile, [du.range, output.range], k * c, [k * c, parts, stride]);
}

/** Bytes of a transformed weight or its gradient, up to where the next one may begin. */
function resultBytes(tile: WinogradTile, { k, c }: ConvGeometry): number {
  return Math.ceil((4 * pointsOf(tile) * k * c) / 256) * 256;
}

/**
 * How many parts the images are in, so that the transforms of each take no more than `WORKSPACE`, nor all the parts' results where
 * each has one of `result` bytes.
 */
function partsOf(caps: Capabilities, tile: WinogradTile, g: ConvGeometry, tiled: Two, result = 0): number {
  const most = caps.software ? WORKSPACE.software : WORKSPACE.gpu;
  const transforms = 4 * pointsOf(tile) * (g.c + g.k) * tilesOver(tile, g.images, tiled).count;
  const parts = Math.max(
    1,
    Math.min(g.images, Math.ceil(transforms / most), result > 0 ? Math.floor(most / result) : Infinity),
  );
  return Math.ceil(g.images / Math.ceil(g.images / parts));
}

/** Does `work` for one part of the images after the other; what it makes lives no longer. */
function inParts(
  device: Device,
  parts: number,
  images: number,
  work: (first: number, images: number, part: number) => void,
): void {
  const each = Math.ceil(images / parts);
  for (let part = 0; part < parts; part++) {
    device.scope(() => {
      work(part * each, Math.min(each, images - part * each), part);
    });
  }
}
