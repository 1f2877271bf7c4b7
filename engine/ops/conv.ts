import { observeHost } from '../capture.js';
import type { Device } from '../device.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { applyOne, defineOp, expectDType, nth, type Op } from '../op.js';
import { Generator } from '../random.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { bucket, type VariantTrial } from '../variants.js';
import { pad } from './arrange.js';
import { chooseConv, convVariants, type ConvVariant } from './conv/choose.js';
import { directGather, directWeightGrad, type GatherTensors } from './conv/direct.js';
import {
  convGeometry,
  inputShape,
  outputShape,
  weightShape,
  type ConvGeometry,
  type ConvOptions,
  type ConvPass,
} from './conv/geometry.js';
import { rowsGather } from './conv/rows.js';
import { tileGather, tileWeightGrad } from './conv/tile.js';
import { winogradGather, winogradTile, winogradWeightGrad } from './conv/winograd.js';
import { pairOf, type Pair } from './pair.js';
import { rand } from './random.js';
import { sum } from './reduce.js';

export { chooseConv, convVariants, type ConvVariant } from './conv/choose.js';
export { convGeometry, type ConvGeometry, type ConvOptions, type ConvPass } from './conv/geometry.js';

/** Options of a convolution's passes and, for tests and measurements, the kernel that is to compute it. */
export interface ConvPassOptions extends ConvOptions {
  /** Which kernel computes this convolution and its derivatives; chosen by shape and device unless given. */
  readonly variant?: ConvVariant;
}

/** Options of `conv2d`. */
export interface Conv2dOptions extends Omit<ConvPassOptions, 'padding'> {
  /**
   * Zeros added on each side, 0 by default; `valid` is 0, and `same` as many as give the output the input's size (needs stride 1; an
   * odd number has the larger half at the end).
   */
  readonly padding?: Pair | 'same' | 'valid';
}

interface ConvAttrs {
  readonly geometry: ConvGeometry;
  readonly variant?: ConvVariant;
}

/** Shapes that every pass is tested on: [input, weight, options]. */
const SHAPES: readonly (readonly [Shape, Shape, ConvOptions])[] = [
  [[2, 3, 5, 7], [4, 3, 3, 3], { padding: 1 }],
  [[1, 1, 4, 4], [1, 1, 1, 1], {}],
  [[1, 4, 5, 6], [6, 2, 3, 2], { stride: 2, padding: [1, 0], groups: 2 }],
  [[2, 2, 7, 5], [2, 1, 3, 3], { dilation: 2, padding: 2, groups: 2 }],
  [[0, 2, 5, 5], [3, 2, 3, 3], {}],
  [[2, 3, 3, 2], [2, 3, 3, 2], {}],
  [[1, 3, 5, 4], [6, 1, 3, 3], { padding: 1, groups: 3 }],
  [[1, 16, 14, 13], [16, 16, 3, 3], { padding: 1 }],
];

function samplesOf(shapes: (geometry: ConvGeometry) => readonly Shape[]) {
  return SHAPES.map(([x, weight, options]) => {
    const geometry = convGeometry('conv2d', x, weight, options);
    return { shapes: shapes(geometry), attrs: { geometry } };
  });
}

function chosen(device: Device, pass: ConvPass, { geometry, variant }: ConvAttrs): ConvVariant {
  const { caps, gpu } = device;
  const largest = gpu.limits.maxStorageBufferBindingSize;
  if (variant !== undefined) {
    // Whole rows sum over channels; the weight gradient that goes with them sums over pixels.
    const forced = pass === 'weightGrad' && variant === 'rows' ? 'broadcast' : variant;
    return chooseConv(caps, pass, geometry, forced, largest);
  }
  observeHost(device, () => device.precision);
  const candidates = convVariants(caps, pass, geometry, largest).filter(
    (candidate) => candidate !== 'winograd4' || device.precision === 'fast',
  );
  const choice = device.variants.choose(convKey(pass, geometry, device), candidates, () =>
    convTrial(device, pass, geometry, candidates),
  );
  return candidates[choice] ?? 'plain';
}

/** What decides which variant is best: everything but the number of images, which only its magnitude does. */
function convKey(pass: ConvPass, g: ConvGeometry, { precision }: Device): string {
  const { images, groups, c, k, input, kernel, stride, padding, dilation } = g;
  const sizes = { n: bucket(images), groups, c, k, input, kernel, stride, padding, dilation };
  const parts = Object.entries(sizes).map(([name, size]) => `${name}${String(size).replace(',', 'x')}`);
  return [`conv2d ${pass}`, ...parts, precision].join('|');
}

function convTrial(
  device: Device,
  pass: ConvPass,
  geometry: ConvGeometry,
  candidates: readonly ConvVariant[],
): VariantTrial {
  const [x, weight, dy] = [inputShape(geometry), weightShape(geometry), outputShape(geometry)];
  const shapes = { forward: [x, weight], inputGrad: [dy, weight], weightGrad: [x, dy] }[pass];
  const op = { forward: conv2dOp, inputGrad: inputGradOp, weightGrad: weightGradOp }[pass];
  return {
    plain: candidates.indexOf('plain'),
    inputs: () => shapes.map((shape, seed) => rand(shape, { device, generator: new Generator(seed) })),
    record: (variant, inputs) => applyOne(op, inputs, { geometry, variant: candidates[variant] ?? 'plain' }),
  };
}

/** All three convolutions go through every position of the forward output, every tap and every pair of channels of a group. */
function macsOf({ geometry: g }: ConvAttrs): number {
  return g.images * g.groups * g.c * g.k * sizeOf(g.kernel) * sizeOf(g.output);
}

function runGather(pass: Exclude<ConvPass, 'weightGrad'>, attrs: ConvAttrs, tensors: GatherTensors): void {
  const { output } = tensors;
  const { device } = output;
  if (output.size === 0) return;
  const variant = chosen(device, pass, attrs);
  device.scope(() => {
    if (variant === 'winograd4' || variant === 'winograd2')
      winogradGather(device, winogradTile(variant), attrs.geometry, pass, tensors);
    else if (variant === 'rows') rowsGather(device, attrs.geometry, pass, tensors);
    else if (variant === 'tile') tileGather(device, attrs.geometry, pass, tensors);
    else directGather(device, attrs.geometry, pass, variant, tensors);
  });
}

const conv2dOp: Op<ConvAttrs> = defineOp<ConvAttrs>({
  name: 'conv2d',
  summary: 'Cross-correlation of images with kernels, summed over the channels of a group.',
  samples: samplesOf((geometry) => [inputShape(geometry), weightShape(geometry), [geometry.groups * geometry.k]]),
  infer: (inputs, { geometry }) => {
    expectDType('conv2d', inputs, 'f32');
    return [{ shape: outputShape(geometry), dtype: 'f32' }];
  },
  macs: ({ attrs }) => macsOf(attrs),
  run: ({ inputs, outputs, attrs }) => {
    const [input, weight, output] = [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)];
    runGather('forward', attrs, { input, weight, bias: inputs[2], output });
  },
  backward: ({ grads, inputs, attrs, needs }) => {
    const [g, x, weight] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    return [
      needs[0] ? applyOne(inputGradOp, [g, weight], attrs) : undefined,
      needs[1] ? applyOne(weightGradOp, [x, g], attrs) : undefined,
      needs[2] ? sum(g, [0, 2, 3]) : undefined,
    ];
  },
});

const inputGradOp: Op<ConvAttrs> = defineOp<ConvAttrs>({
  name: 'conv2dInputGrad',
  summary: 'The gradient of conv2d with respect to its input: a transposed convolution of dY.',
  samples: samplesOf((geometry) => [outputShape(geometry), weightShape(geometry)]),
  infer: (inputs, { geometry }) => {
    expectDType('conv2dInputGrad', inputs, 'f32');
    return [{ shape: inputShape(geometry), dtype: 'f32' }];
  },
  macs: ({ attrs }) => macsOf(attrs),
  run: ({ inputs, outputs, attrs }) => {
    runGather('inputGrad', attrs, { input: nth(inputs, 0), weight: nth(inputs, 1), output: nth(outputs, 0) });
  },
  backward: ({ grads, inputs, attrs, needs }) => {
    const [g, dy, weight] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    return [
      needs[0] ? applyOne(conv2dOp, [g, weight], attrs) : undefined,
      needs[1] ? applyOne(weightGradOp, [g, dy], attrs) : undefined,
    ];
  },
});

const weightGradOp: Op<ConvAttrs> = defineOp<ConvAttrs>({
  name: 'conv2dWeightGrad',
  summary: 'The gradient of conv2d with respect to its weight.',
  samples: samplesOf((geometry) => [inputShape(geometry), outputShape(geometry)]),
  infer: (inputs, { geometry }) => {
    expectDType('conv2dWeightGrad', inputs, 'f32');
    return [{ shape: weightShape(geometry), dtype: 'f32' }];
  },
  macs: ({ attrs }) => macsOf(attrs),
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, dy, output] = [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)];
    if (output.size === 0) return;
    if (attrs.geometry.images === 0) {
      device.clear(output.range);
      return;
    }
    const variant = chosen(device, 'weightGrad', attrs);
    device.scope(() => {
      if (variant === 'winograd4' || variant === 'winograd2')
        winogradWeightGrad(device, winogradTile(variant), attrs.geometry, x, dy, output);
      else if (variant === 'tile') tileWeightGrad(device, attrs.geometry, x, dy, output);
      else directWeightGrad(device, attrs.geometry, variant === 'rows' ? 'broadcast' : variant, x, dy, output);
    });
  },
  backward: ({ grads, inputs, attrs, needs }) => {
    const [g, x, dy] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    return [
      needs[0] ? applyOne(inputGradOp, [dy, g], attrs) : undefined,
      needs[1] ? applyOne(conv2dOp, [x, g], attrs) : undefined,
    ];
  },
});

function attrsOf(op: string, x: Shape, weight: Shape, { variant, ...options }: ConvPassOptions): ConvAttrs {
  const geometry = convGeometry(op, x, weight, options);
  return variant === undefined ? { geometry } : { geometry, variant };
}

function expectShape(op: string, what: string, actual: Shape, expected: Shape): void {
  if (!sameShape(actual, expected)) {
    throw new ShapeError(`${op}: ${what} has shape ${formatShape(actual)}; expected ${formatShape(expected)}`);
  }
}

/**
 * Two-dimensional convolution in PyTorch's sense (a cross-correlation):
 * `out[n, k, y, x] = bias[k] + Σ input[n, c, y stride - padding + r dilation, ...] weight[k, c, r, q]`,
 * over the channels c of k's group and the taps r, q, where positions outside the input count as zero.
 *
 * `x` is `[N, C, H, W]`, `weight` `[K, C / groups, kh, kw]`, `bias` `[K]` or absent; the result is `[N, K, H', W']` with
 * `H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1`. Differentiable to any order.
 *
 * Throws a `ShapeError` where the shapes do not fit each other or the kernel is larger than the padded input, and an
 * `ArgumentError` for options that are not integers in their range.
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: Conv2dOptions = {}): Tensor {
  const { input, padding } = padded(x, weight.shape, options);
  const attrs = attrsOf('conv2d', input.shape, weight.shape, { ...options, padding });
  if (bias) expectShape('conv2d', 'bias', bias.shape, weight.shape.slice(0, 1));
  return applyOne(conv2dOp, bias ? [input, weight, bias] : [input, weight], attrs);
}

/** The input and the zeros around it; a zero that only the end gets becomes part of the input. */
function padded(x: Tensor, weight: Shape, options: Conv2dOptions): { input: Tensor; padding: Pair } {
  const { padding = 0, stride = 1, dilation = 1 } = options;
  if (padding === 'valid') return { input: x, padding: 0 };
  if (padding !== 'same') return { input: x, padding };
  if (pairOf(stride).some((each) => each !== 1)) {
    throw new ArgumentError(`conv2d: padding 'same' with stride ${formatShape(pairOf(stride))}; expected stride 1`);
  }
  const total = pairOf(dilation).map((each, axis) => each * ((weight[axis + 2] ?? 1) - 1));
  const [bottom = 0, right = 0] = total.map((zeros) => zeros % 2);
  const [top = 0, left = 0] = total.map((zeros) => Math.floor(zeros / 2));
  return { input: bottom + right > 0 ? pad(x, [0, right, 0, bottom]) : x, padding: [top, left] };
}

/**
 * The gradient of `conv2d` with respect to its input of shape `shape`, given `dy` at its output: what PyTorch computes as
 * a transposed convolution. Differentiable to any order; throws as `conv2d` does.
 */
export function conv2dInputGrad(dy: Tensor, weight: Tensor, shape: Shape, options: ConvPassOptions = {}): Tensor {
  const attrs = attrsOf('conv2dInputGrad', shape, weight.shape, options);
  expectShape('conv2dInputGrad', 'dy', dy.shape, outputShape(attrs.geometry));
  return applyOne(inputGradOp, [dy, weight], attrs);
}

/**
 * The gradient of `conv2d` with respect to its weight of shape `shape`, given its input and `dy` at its output.
 * Differentiable to any order; throws as `conv2d` does.
 */
export function conv2dWeightGrad(x: Tensor, dy: Tensor, shape: Shape, options: ConvPassOptions = {}): Tensor {
  const attrs = attrsOf('conv2dWeightGrad', x.shape, shape, options);
  expectShape('conv2dWeightGrad', 'dy', dy.shape, outputShape(attrs.geometry));
  return applyOne(weightGradOp, [x, dy], attrs);
}
