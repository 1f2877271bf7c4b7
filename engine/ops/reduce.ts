import argReduceSource from '../../shaders/arg_reduce.wgsl';
import reduceSource from '../../shaders/reduce.wgsl';
import type { Device } from '../device.js';
import { float, storageType } from '../dtype.js';
import { ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type Op, type OpSample } from '../op.js';
import { formatShape, normalizeAxes, normalizeAxis, sizeOf, stridesOf, type Shape } from '../shape.js';
import { mergeAxes, spaceWords } from '../strided.js';
import type { Tensor } from '../tensor.js';
import { div, eq, mul, to } from './elementwise.js';
import { expand, reshape } from './movement.js';

const reduceKernel = defineKernel({ name: 'reduce', source: reduceSource, bindings: ['read', 'write'] });
const argReduceKernel = defineKernel({ name: 'arg_reduce', source: argReduceSource, bindings: ['read', 'write'] });

/** Elements that one invocation reduces serially; more than this many become several slices and another pass. */
const SLICE = 128;

/** Invocations that keep an adapter busy: fewer outputs than this are split into slices sooner. */
const BUSY = 4096;

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

function slicesFor(outputs: number, count: number): number {
  if (count <= 16) return 1;
  const forLength = Math.ceil(count / SLICE);
  const forBusy = Math.min(Math.ceil(BUSY / outputs), Math.ceil(count / 16));
  return Math.max(forLength, forBusy);
}

/** Records the passes of one reduction of `x` (not empty along `axes`) into `y`; `scale` multiplies the last pass. */
export function reduceInto(
  device: Device,
  reduction: Reduction,
  x: Tensor,
  y: Tensor,
  axes: readonly number[],
  scale?: number,
): void {
  const strides = stridesOf(x.shape);
  const pick = (wanted: boolean) => x.shape.flatMap((_, axis) => (axes.includes(axis) === wanted ? [axis] : []));
  const space = (chosen: readonly number[]) =>
    mergeAxes(
      reduction,
      chosen.map((axis) => x.shape[axis] ?? 1),
      [chosen.map((axis) => strides[axis] ?? 0)],
    );
  let [kept, reduced] = [space(pick(false)), space(pick(true))];
  let source = x;
  let count = sizeOf(reduced.shape);
  for (;;) {
    const slices = slicesFor(y.size, count);
    const last = slices === 1;
    const target = last ? y : device.empty([y.size, slices], x.dtype);
    const innermost = (list: readonly number[] | undefined): number => Math.min(Infinity, ...(list ?? []));
    device.dispatch({
      kernel: reduceKernel,
      constants: {
        OP: reduction,
        T: storageType(x.dtype),
        KEPT_RANK: kept.shape.length,
        REDUCED_RANK: reduced.shape.length,
        SLICES_FIRST: innermost(reduced.strides[0]) < innermost(kept.strides[0]),
        SCALED: last && scale !== undefined,
      },
      buffers: [source.range, target.range],
      uniforms: [y.size, slices, count, float(scale ?? 1), ...spaceWords(kept), ...spaceWords(reduced)],
      workgroups: foldWorkgroups(Math.ceil((y.size * slices) / 64)),
      label: reduction,
    });
    if (source !== x) source.dispose();
    if (last) return;
    source = target;
    count = slices;
    kept = { shape: [y.size], strides: [[slices]] };
    reduced = { shape: [slices], strides: [[1]] };
  }
}

const SAMPLES: readonly OpSample<ReduceAttrs>[] = [
  { shapes: [[3, 4, 5]], attrs: { axes: [1], keepDim: true } },
  { shapes: [[2, 3, 4, 5]], attrs: { axes: [0, 2, 3], keepDim: false } },
  { shapes: [[1031]], attrs: { axes: [0], keepDim: false } },
  { shapes: [[7, 1]], attrs: { axes: [1], keepDim: false } },
  { shapes: [[3, 1, 5]], attrs: { axes: [0, 1, 2], keepDim: false } },
  { shapes: [[2, 3]], attrs: { axes: [], keepDim: false } },
];

/** The gradient (or result) of a reduction with its reduced axes back, repeated to the input's shape. */
function spread(reduced: Tensor, shape: Shape, attrs: ReduceAttrs): Tensor {
  return expand(reshape(reduced, reducedShape(shape, { ...attrs, keepDim: true })), shape);
}

const sumOp: Op<ReduceAttrs> = defineOp<ReduceAttrs>({
  name: 'sum',
  summary: 'Sum over axes.',
  samples: SAMPLES,
  infer: (inputs, attrs) => {
    expectDType('sum', inputs, 'f32', 'i32', 'u32');
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
    infer: (inputs, attrs) => {
      const x = nth(inputs, 0);
      expectDType(name, inputs, 'f32', 'i32', 'u32');
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

function argExtremum(name: 'argmax' | 'argmin') {
  const op = defineOp<ArgAttrs>({
    name,
    summary: `The first index of the ${name === 'argmax' ? 'largest' : 'smallest'} value along an axis.`,
    infer: (inputs, { axis, keepDim }) => {
      const { shape } = nth(inputs, 0);
      expectDType(name, inputs, 'f32', 'i32', 'u32');
      refuseEmpty(name, shape, [axis]);
      return [{ shape: reducedShape(shape, { axes: [axis], keepDim }), dtype: 'i32' }];
    },
    run: ({ device, inputs, outputs, attrs }) => {
      const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
      if (y.size === 0) return;
      device.dispatch({
        kernel: argReduceKernel,
        constants: { T: storageType(x.dtype), LARGEST: name === 'argmax' },
        buffers: [x.range, y.range],
        uniforms: [y.size, x.shape[attrs.axis] ?? 1, sizeOf(x.shape.slice(attrs.axis + 1))],
        workgroups: foldWorkgroups(Math.ceil(y.size / 64)),
        label: name,
      });
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
