import gatherSource from '../../../shaders/conv_tile.wgsl';
import weightGradSource from '../../../shaders/conv_tile_weight_grad.wgsl';
import tileProduct from '../../../shaders/parts/tile_product.wgsl';
import type { Device } from '../../device.js';
import { defineEpilogueKernel, defineKernel, foldWorkgroups } from '../../kernel.js';
import { sizeOf } from '../../shape.js';
import type { Constants } from '../../template.js';
import type { Tensor } from '../../tensor.js';
import { sumPartials, type GatherTensors } from './direct.js';
import { forwardWalk, inputGradWalks, type ConvGeometry, type ConvPass, type Walk } from './geometry.js';

const gatherKernel = defineEpilogueKernel({
  name: 'conv_tile',
  source: gatherSource + tileProduct,
  bindings: ['read', 'read', 'read', 'write'],
});
const weightGradKernel = defineKernel({
  name: 'conv_tile_weight_grad',
  source: weightGradSource + tileProduct,
  bindings: ['read', 'read', 'write'],
});

/** Tiles that keep a GPU busy: with fewer, smaller tiles are worth their loads, and long sums are worth splitting. */
const BUSY = 256;
const SHORTEST_SPLIT = 256;

/** Share of a tile's rows, 64 output channels, that are there. */
export function tileFill({ k, c }: ConvGeometry, pass: ConvPass): number {
  const rows = pass === 'inputGrad' ? c : k;
  return rows / (64 * Math.ceil(rows / 64));
}

/** Results of a thread along each axis: 8 where the larger tiles, each in so many parts, are many enough to keep a GPU busy. */
function tileSide(rows: number, columns: number, parts: number): 4 | 8 {
  const large = Math.ceil(rows / 128) * Math.ceil(columns / 128) * parts;
  return rows > 96 && columns > 96 && large >= BUSY ? 8 : 4;
}

/** The constants of parts/tile_product.wgsl. */
function tileConstants(t: 4 | 8, software: boolean): Constants {
  return {
    ...{ BM: 16 * t, BN: 16 * t, BK: 64 / t, KV: 16 / t, TM: t, TN: t, RM: t / 4, RN: t / 4 },
    ...{ OPAQUE: software, A_TRANS: false, C_VEC: false },
  };
}

/** The forward pass or the input gradient, one product for each residue of the position where the stride is not 1. */
export function tileGather(
  device: Device,
  g: ConvGeometry,
  pass: Exclude<ConvPass, 'weightGrad'>,
  { input, weight, bias, output }: GatherTensors,
): void {
  const turned = pass === 'inputGrad';
  const [k, c] = turned ? [g.c, g.k] : [g.k, g.c];
  const [from, to] = turned ? [g.output, g.input] : [g.input, g.output];
  const taps = sizeOf(g.kernel);
  const [strideK, strideC] = turned ? [taps, g.c * taps] : [g.c * taps, taps];
  const walks = (axis: 0 | 1): Walk[] => (turned ? inputGradWalks(g, axis) : [forwardWalk(g, axis)]);
  for (const v of walks(0)) {
    for (const h of walks(1)) {
      const columns = g.images * v.grid * h.grid;
      const t = tileSide(k, columns, g.groups);
      const tilesM = Math.ceil(k / (16 * t));
      const [gridX, gridY] = foldWorkgroups(tilesM * Math.ceil(columns / (16 * t)));
      const found = v.count * h.count;
      // Walks count taps of the turned kernel from its end.
      const [first, sign] = turned ? [taps - 1 - v.tap * g.kernel[1] - h.tap, -1] : [0, 1];
      device.dispatch({
        kernel: gatherKernel,
        constants: {
          ...tileConstants(t, device.caps.software),
          ...{ TAPS: Math.max(1, found), TAPS_X: Math.max(1, h.count), B_TRANS: false },
          ...{ WEIGHTS_VEC: !turned && (c * taps) % 4 === 0, EPILOGUE: 'none' },
        },
        buffers: [input.range, weight.range, (bias ?? weight).range, output.range],
        uniforms: [
          ...[k, found === 0 ? 0 : c, columns, tilesM, gridX, g.groups, g.k * g.c * taps, strideK, strideC],
          ...[first, sign * v.tapStride * g.kernel[1], sign * h.tapStride],
          ...[...from, v.inStride, h.inStride, v.origin, h.origin, v.step, h.step],
          ...[v.grid, h.grid, ...to, v.outStride, h.outStride, v.outOrigin, h.outOrigin, bias ? 1 : 0],
        ],
        workgroups: [gridX, gridY, g.groups],
        label: `conv2d ${pass} tile`,
        flops: 2 * columns * g.groups * c * k * found,
      });
    }
  }
}

/** The weight gradient, its sum over positions split where the product is small. */
export function tileWeightGrad(device: Device, g: ConvGeometry, input: Tensor, dy: Tensor, output: Tensor): void {
  const plane = sizeOf(g.output);
  const [columns, positions] = [g.c * sizeOf(g.kernel), g.images * plane];
  const most = Math.max(1, Math.floor(positions / SHORTEST_SPLIT));
  const t = tileSide(g.k, columns, g.groups * most);
  const tilesM = Math.ceil(g.k / (16 * t));
  const tiles = tilesM * Math.ceil(columns / (16 * t));
  const wanted = Math.min(Math.ceil(BUSY / (tiles * g.groups)), most);
  const chunk = Math.ceil(positions / wanted / 4) * 4;
  const splits = Math.ceil(positions / chunk);
  const padded = Math.ceil(output.size / 4) * 4;
  const partial = splits === 1 ? output : device.empty([splits, padded]);
  device.dispatch({
    kernel: weightGradKernel,
    constants: { ...tileConstants(t, device.caps.software), B_TRANS: true, PLANE_VEC: plane % 4 === 0 },
    buffers: [input.range, dy.range, partial.range],
    uniforms: [
      ...[g.k, g.c, columns, positions, chunk, splits, padded, g.groups, tilesM, ...g.kernel],
      ...[...g.input, ...g.output, ...g.stride, ...g.padding, ...g.dilation],
    ],
    workgroups: [tiles, splits, g.groups],
    label: 'conv2d weightGrad tile',
    flops: 2 * positions * g.groups * g.k * columns,
  });
  if (splits > 1) sumPartials(device, partial, output, splits);
}
