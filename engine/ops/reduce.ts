import argReduceSource from '../../shaders/arg_reduce.wgsl';
import reduceSource from '../../shaders/reduce.wgsl';
import type { Device } from '../device.js';
import { float, storageType } from '../dtype.js';
import { ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type Op, type OpSample } from '../op.js';
import { formatShape, normalizeAxes, normalizeAxis, sizeOf, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { div, eq, mul, to } from './elementwise.js';
import { expand, reshape } from './movement.js';

const reduceKernel = defineKernel({ name: 'reduce', source: reduceSource, bindings: ['read', 'write'] });
const argReduceKernel = defineKernel({ name: 'arg_reduce', source: argReduceSource, bindings: ['read', 'write'] });
const argAgainKernel = defineKernel({
  name: 'arg_reduce',
  source: argReduceSource,
  bindings: ['read', 'write', 'read'],
});

interface ReduceAttrs {
  /** Sorted, not negative. */
  readonly axes: readonly number[];
  readonly keepDim: boolean;
}

/** Options of the reductions. */
export interface ReduceOptions {
  /** Keep the reduced axes with size 1; false by default. */
  readonly keepDim?: boolean;
}

function reducedShape(shape: Shape, { axes, keepDim }: ReduceAttrs): number[] {
  return shape.flatMap((size, axis) => (axes.includes(axis) ? (keepDim ? [1] : []) : [size]));
}

type Reduction = 'sum' | 'max' | 'min';

/**
 * The steps that an invocation takes at least, and at most, before an axis is cut into slices for more invocations; and the
 * invocations that keep an adapter busy. On software adapters another pass costs as much as hundreds of steps.
 */
const SLICES = {
  software: { shortest: 128, longest: 1024, busy: 512 },
  gpu: { shortest: 32, longest: 256, busy: 32_768 },
};

/** How many slices to cut `steps` steps into, for each of `outputs` results; each slice has at least one step. */
export function slicesFor(device: Device, outputs: number, steps: number): number {
  const { shortest, longest, busy } = device.caps.software ? SLICES.software : SLICES.gpu;
  if (steps <= shortest) return 1;
  const forBusy = Math.ceil(busy / outputs);
  const slices = Math.max(Math.ceil(steps / longest), Math.min(forBusy, Math.floor(steps / shortest)));
  // A multiple of four lets the next pass read vectors; of that many steps, it cannot exceed the steps.
  return slices > 4 ? Math.ceil(slices / 4) * 4 : slices;
}

/**
 * Into how many parts to cut an axis before slices interleave: one to a workgroup, so that each reads its own pages. Parts are
 * of equal length but for the last, which may be shorter by as many steps as there are parts.
 */
function partsOf(slices: number, steps: number): number {
  const parts = slices / 64;
  return Number.isInteger(parts) && steps / parts - parts >= 64 ? parts : 1;
}

/** An axis of a contiguous tensor, or several neighbouring ones that are all kept or all reduced. */
interface MergedAxis {
  readonly size: number;
  readonly reduced: boolean;
}

function mergeKinds(axes: readonly MergedAxis[]): MergedAxis[] {
  const merged: MergedAxis[] = [];
  for (const axis of axes) {
    const last = merged.at(-1);
    if (axis.size === 1) continue;
    if (last?.reduced === axis.reduced) merged.splice(-1, 1, { ...axis, size: last.size * axis.size });
    else merged.push(axis);
  }
  return merged;
}

/**
 * Records the passes of one reduction of `x` (not empty along `axes`) into `y`; `scale` multiplies the last pass. Reduced
 * axes that do not neighbour each other are reduced one after the other, the longest first.
 */
export function reduceInto(
  device: Device,
  reduction: Reduction,
  x: Tensor,
  y: Tensor,
  axes: readonly number[],
  scale?: number,
): void {
  let rest = mergeKinds(x.shape.map((size, axis) => ({ size, reduced: axes.includes(axis) })));
  let source = x;
  do {
    const longest = Math.max(0, ...rest.map(({ size, reduced }) => (reduced ? size : 0)));
    const at = rest.findLastIndex(({ size, reduced }) => reduced && size === longest);
    const sizes = (from: number, to?: number): number => sizeOf(rest.slice(from, to).map(({ size }) => size));
    // Nothing left to reduce is a copy (or a scaling) of the whole.
    const [outer, count, inner] = at < 0 ? [1, 1, sizes(0)] : [sizes(0, at), longest, sizes(at + 1)];
    const along = inner === 1 && count > 1;
    const vector = (along ? count : inner) % 4 === 0;
    const [outputs, steps] = [(outer * inner) / (vector && !along ? 4 : 1), count / (vector && along ? 4 : 1)];
    const slices = slicesFor(device, outputs, steps);
    const parts = partsOf(slices, steps);
    const partial = slices > 1 ? [{ size: slices, reduced: true }] : [];
    const kept = rest.filter((_, axis) => axis !== at);
    rest = mergeKinds(along ? [...kept, ...partial] : [...partial, ...kept]);
    const last = !rest.some(({ reduced }) => reduced);
    const target = last ? y : device.empty([outer * inner * slices], x.dtype);
    device.dispatch({
      kernel: reduceKernel,
      constants: {
        OP: reduction,
        T: storageType(x.dtype),
        ALONG: along,
        VECTOR: vector,
        SCALED: last && scale !== undefined,
      },
      buffers: [source.range, target.range],
      uniforms: [
        ...[outputs, slices, steps, inner / (vector && !along ? 4 : 1), slices / parts, Math.ceil(steps / parts)],
        float(last ? (scale ?? 1) : 1),
      ],
      workgroups: foldWorkgroups(Math.ceil((outputs * slices) / 64)),
      label: reduction,
    });
    if (source !== x) source.dispose();
    source = target;
    if (last) return;
  } while (rest.length > 0);
}

const NUMBERS = ['f32', 'i32', 'u32'] as const;

const SAMPLES: readonly OpSample<ReduceAttrs>[] = [
  { shapes: [[3, 4, 5]], attrs: { axes: [1], keepDim: true } },
  { shapes: [[2, 3, 4, 5]], attrs: { axes: [0, 2, 3], keepDim: false } },
  { shapes: [[1031]], attrs: { axes: [0], keepDim: false } },
  { shapes: [[7, 1]], attrs: { axes: [1], keepDim: false } },
  { shapes: [[3, 1, 5]], attrs: { axes: [0, 1, 2], keepDim: false } },
  { shapes: [[2, 3]], attrs: { axes: [], keepDim: false } },
  { shapes: [[]], attrs: { axes: [], keepDim: true } },
  { shapes: [[0, 3]], attrs: { axes: [1], keepDim: false } },
  { shapes: [[5, 211, 3]], attrs: { axes: [1], keepDim: true } },
];

/** The gradient (or result) of a reduction with its reduced axes back, repeated to the input's shape. */
function spread(reduced: Tensor, shape: Shape, attrs: ReduceAttrs): Tensor {
  return expand(reshape(reduced, reducedShape(shape, { ...attrs, keepDim: true })), shape);
}

const sumOp: Op<ReduceAttrs> = defineOp<ReduceAttrs>({
  name: 'sum',
  summary: 'Sum over axes.',
  samples: [...SAMPLES, { shapes: [[0, 3]], attrs: { axes: [0], keepDim: false } }],
  dtypes: NUMBERS,
  infer: (inputs, attrs) => {
    expectDType('sum', inputs, ...NUMBERS);
    const x = nth(inputs, 0);
    return [{ shape: reducedShape(x.shape, attrs), dtype: x.dtype }];
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    if (x.size === 0) device.clear(y.range);
    else reduceInto(device, 'sum', x, y, attrs.axes);
  },
  backward: ({ grads, inputs, attrs }) => [spread(nth(grads, 0), nth(inputs, 0).shape, attrs)],
});

const meanOp: Op<ReduceAttrs> = defineOp<ReduceAttrs>({
  name: 'mean',
  summary: 'Arithmetic mean over axes.',
  samples: SAMPLES,
  infer: (inputs, attrs) => {
    const x = nth(inputs, 0);
    expectDType('mean', inputs, 'f32');
    refuseEmpty('mean', x.shape, attrs.axes);
    return [{ shape: reducedShape(x.shape, attrs), dtype: 'f32' }];
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    if (y.size > 0) reduceInto(device, 'sum', x, y, attrs.axes, y.size / x.size);
  },
  backward: ({ grads, inputs, outputs, attrs }) => {
    const x = nth(inputs, 0);
    return [spread(mul(nth(grads, 0), nth(outputs, 0).size / x.size), x.shape, attrs)];
  },
});

function refuseEmpty(op: string, shape: Shape, axes: readonly number[]): void {
  if (axes.some((axis) => shape[axis] === 0)) {
    throw new ShapeError(
      `${op}: axes ${formatShape(axes)} of shape ${formatShape(shape)} have no elements; expected at least one`,
    );
  }
}

function extremum(name: 'max' | 'min'): Op<ReduceAttrs> {
  return defineOp<ReduceAttrs>({
    name,
    summary: `The ${name === 'max' ? 'largest' : 'smallest'} value over axes; equal ones share the gradient evenly.`,
    samples: SAMPLES,
    dtypes: NUMBERS,
    infer: (inputs, attrs) => {
      const x = nth(inputs, 0);
      expectDType(name, inputs, ...NUMBERS);
      refuseEmpty(name, x.shape, attrs.axes);
      return [{ shape: reducedShape(x.shape, attrs), dtype: x.dtype }];
    },
    run: ({ device, inputs, outputs, attrs }) => {
      const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
      if (y.size > 0) reduceInto(device, name, x, y, attrs.axes);
    },
    backward: ({ grads, inputs, outputs, attrs }) => {
      const x = nth(inputs, 0);
      const hits = to(eq(x, spread(nth(outputs, 0).detach(), x.shape, attrs)), 'f32');
      const share = div(hits, sum(hits, attrs.axes, { keepDim: true }));
      return [mul(spread(nth(grads, 0), x.shape, attrs), share)];
    },
  });
}

const maxOp = extremum('max');
const minOp = extremum('min');

function reduction(op: Op<ReduceAttrs>) {
  return (x: Tensor, axes?: number | readonly number[], { keepDim = false }: ReduceOptions = {}): Tensor =>
    applyOne(op, [x], { axes: normalizeAxes(op.name, axes, x.rank), keepDim });
}

/** Sum over `axes` (all by default), in a fixed order; 0 where there is nothing to sum. */
export const sum = reduction(sumOp);
/** Mean over `axes` (all by default) of an f32 tensor; throws a `ShapeError` where there is nothing to average. */
export const mean = reduction(meanOp);
/** Largest value over `axes` (all by default); equal ones share the gradient evenly, as PyTorch's `amax`. */
export const max = reduction(maxOp);
/** Smallest value over `axes` (all by default); equal ones share the gradient evenly, as PyTorch's `amin`. */
export const min = reduction(minOp);

interface ArgAttrs {
  readonly axis: number;
  readonly keepDim: boolean;
}

/** Records the passes that find the first index of the extremum of `x` along `axis`, with `y` for the result. */
function argReduceInto(device: Device, largest: boolean, x: Tensor, y: Tensor, axis: number): void {
  const count = x.shape[axis] ?? 1;
  const inner = sizeOf(x.shape.slice(axis + 1));
  let candidates: Tensor | undefined;
  let length = count;
  for (;;) {
    const chunk = Math.ceil(length / slicesFor(device, y.size, length));
    const chunks = Math.ceil(length / chunk);
    const target = chunks === 1 ? y : device.empty([y.size * chunks], 'i32');
    device.dispatch({
      kernel: candidates ? argAgainKernel : argReduceKernel,
      constants: { T: storageType(x.dtype), LARGEST: largest, AGAIN: candidates !== undefined },
      buffers: [x, target, ...(candidates ? [candidates] : [])].map((tensor) => tensor.range),
      uniforms: [target.size, count, inner, length, chunk, chunks],
      workgroups: foldWorkgroups(Math.ceil(target.size / 64)),
      label: largest ? 'argmax' : 'argmin',
    });
    candidates?.dispose();
    if (chunks === 1) return;
    candidates = target;
    length = chunks;
  }
}

function argExtremum(name: 'argmax' | 'argmin') {
  const op = defineOp<ArgAttrs>({
    name,
    summary: `The first index of the ${name === 'argmax' ? 'largest' : 'smallest'} value along an axis.`,
    samples: [
      { shapes: [[3, 4, 5]], attrs: { axis: 1, keepDim: true } },
      { shapes: [[1031]], attrs: { axis: 0, keepDim: false } },
      { shapes: [[2, 300, 3]], attrs: { axis: 1, keepDim: false } },
      { shapes: [[7, 1]], attrs: { axis: 1, keepDim: false } },
      { shapes: [[0, 3]], attrs: { axis: 1, keepDim: false } },
    ],
    dtypes: NUMBERS,
    infer: (inputs, { axis, keepDim }) => {
      const { shape } = nth(inputs, 0);
      expectDType(name, inputs, ...NUMBERS);
      refuseEmpty(name, shape, [axis]);
      return [{ shape: reducedShape(shape, { axes: [axis], keepDim }), dtype: 'i32' }];
    },
    run: ({ device, inputs, outputs, attrs }) => {
      const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
      if (y.size > 0) argReduceInto(device, name === 'argmax', x, y, attrs.axis);
    },
  });
  return (x: Tensor, axis?: number, { keepDim = false }: ReduceOptions = {}): Tensor =>
    axis === undefined
      ? applyOne(op, [reshape(x, [x.size])], { axis: 0, keepDim: false })
      : applyOne(op, [x], { axis: normalizeAxis(name, axis, x.rank), keepDim });
}

/** The first index (i32) of the largest value along `axis`, or in the flattened tensor. */
export const argmax = argExtremum('argmax');
/** The first index (i32) of the smallest value along `axis`, or in the flattened tensor. */
export const argmin = argExtremum('argmin');
