import source from '../../../shaders/conv_rows.wgsl';
import type { Capabilities, Device } from '../../device.js';
import { defineEpilogueKernel, foldWorkgroups } from '../../kernel.js';
import type { Two } from '../pair.js';
import { packWeight, type GatherTensors } from './direct.js';
import type { ConvGeometry, ConvPass } from './geometry.js';

const kernel = defineEpilogueKernel({ name: 'conv_rows', source, bindings: ['read', 'read', 'read', 'write'] });

/** Vectors of columns that fit in registers, with one row and eight channels. */
const WIDEST = 5;

/** Whether conv_rows computes this: 3 x 3, stride 1, dilation 1, padding of at most 2, rows of a few vectors. */
export function rowsFit({ subgroupSize }: Capabilities, g: ConvGeometry): boolean {
  const all = (pair: Two, value: number): boolean => pair[0] === value && pair[1] === value;
  const columns = Math.max(g.input[1], g.output[1]);
  const fits = all(g.kernel, 3) && all(g.stride, 1) && all(g.dilation, 1) && g.padding[0] <= 2 && g.padding[1] <= 2;
  return fits && subgroupSize >= 4 && columns <= WIDEST * subgroupSize;
}

/** Sums of a lane: a few more than there are registers, since a spilled sum costs less than another load. */
const MOST_SUMS = 64;
const MOST_ROWS = 8;

/** What llvmpipe takes for a vector of an input row, loaded and shifted, and for the weights of a channel, in multiplications. */
const COST = { row: 17, weights: 90 };

/** What a lane computes of an output of `k` channels and `size`: channels, rows, and columns in as many vectors. */
function patchOf({ subgroupSize }: Capabilities, k: number, size: Two) {
  const vectors = Math.ceil(size[1] / subgroupSize);
  const channels = k < 8 ? Math.min(k, 4) : 8;
  const most = Math.max(1, Math.min(MOST_ROWS, size[0], Math.floor(MOST_SUMS / (channels * vectors))));
  // More rows to a band share more of what is loaded, but the last band may stick out of the image.
  const cost = (rows: number): number =>
    Math.ceil(size[0] / rows) * (9 * channels * rows * vectors + COST.row * (rows + 2) * vectors + COST.weights);
  const rows = Array.from({ length: most }, (_, index) => index + 1).reduce((best, each) =>
    cost(each) < cost(best) ? each : best,
  );
  return { channels, vectors, rows };
}

/** Vectors of columns to a row of what the pass computes. */
export function rowVectors({ subgroupSize }: Capabilities, g: ConvGeometry, pass: ConvPass): number {
  return Math.ceil((pass === 'inputGrad' ? g.input : g.output)[1] / subgroupSize);
}

/** Share of the computed positions that lie inside the image. */
export function rowsFill(caps: Capabilities, g: ConvGeometry, pass: ConvPass): number {
  const turned = pass === 'inputGrad';
  const [k, size] = turned ? [g.c, g.input] : [g.k, g.output];
  const { rows, vectors, channels } = patchOf(caps, k, size);
  const whole = (length: number, step: number): number => length / (Math.ceil(length / step) * step);
  return (size[1] / (vectors * caps.subgroupSize)) * whole(size[0], rows) * whole(k, channels);
}

/** The forward pass or the input gradient, which is a forward pass of dY with turned kernels and padding 2 - p. */
export function rowsGather(
  device: Device,
  g: ConvGeometry,
  pass: Exclude<ConvPass, 'weightGrad'>,
  { input, weight, bias, output }: GatherTensors,
): void {
  const turned = pass === 'inputGrad';
  const [k, c] = turned ? [g.c, g.k] : [g.k, g.c];
  const [from, to] = turned ? [g.output, g.input] : [g.input, g.output];
  const padding: Two = turned ? [2 - g.padding[0], 2 - g.padding[1]] : g.padding;
  const { subgroupSize: lanes } = device.caps;
  const { channels, rows, vectors } = patchOf(device.caps, k, to);
  const plan = { geometry: g, turned, k, c, block: { r: 3, q: 3 }, blocks: 1, patch: { k: channels, y: rows, x: 1 } };
  const packed = packWeight(device, plan, weight);
  const bandsY = Math.ceil(to[0] / rows);
  const [gridX, gridY] = foldWorkgroups(g.images * bandsY);
  const kBlocks = Math.ceil(k / channels);
  device.dispatch({
    kernel,
    constants: {
      ...{ SG: lanes, TK: channels, TY: rows, VI: Math.ceil(from[1] / lanes), VO: vectors, PAD: padding[1] },
      ...{ NW: 9 * channels, NL: Math.ceil((9 * channels) / lanes), FULL: k % channels === 0 },
      EPILOGUE: 'none',
    },
    buffers: [input.range, packed.range, (bias ?? packed).range, output.range],
    uniforms: [
      ...[g.images * bandsY, bandsY, gridX, c, ...from, ...to, padding[0], k, kBlocks, g.groups],
      bias ? 1 : 0,
    ],
    workgroups: [gridX, gridY, kBlocks * g.groups],
    label: `conv2d ${pass} rows`,
    flops: 2 * g.images * g.groups * c * k * 9 * to[0] * to[1],
  });
}
