import gatherSource from '../../shaders/gather.wgsl';
import scatterAddSource from '../../shaders/scatter_add.wgsl';
import { EVERY_DTYPE, wordType } from '../dtype.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups, type Kernel } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type InputDraw, type Op, type RunCall } from '../op.js';
import { formatShape, normalizeAxis, sizeOf, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { arange } from './create.js';
import { eq, to, where } from './elementwise.js';
import { reshape, unsqueeze } from './movement.js';

const gatherKernel = defineKernel({ name: 'gather', source: gatherSource, bindings: ['read', 'read', 'write'] });
const scatterAddKernel = defineKernel({
  name: 'scatter_add',
  source: scatterAddSource,
  bindings: ['read', 'read', 'write'],
});

interface AxisSizeAttrs {
  readonly axis: number;
  /** The size of the indexed axis: of the tensor gathered from, or scattered into. */
  readonly size: number;
}

/** Throws unless `index` has the shape of `x` but for the size of `axis`. */
function checkIndex(op: string, x: Shape, index: Tensor, axis: number): void {
  expectDType(`${op}: index`, [index], 'i32');
  if (index.rank !== x.length || index.shape.some((size, k) => k !== axis && size !== x[k])) {
    throw new ShapeError(
      `${op}: index of shape ${formatShape(index.shape)} for a tensor of shape ${formatShape(x)}; ` +
        `all axes but axis ${axis} must agree`,
    );
  }
}

/** `along`: the index is one line of places, for every line along the axis. */
function dispatchIndexed(kernel: Kernel, along: boolean, call: RunCall<AxisSizeAttrs>): void {
  const { device, inputs, outputs, attrs } = call;
  const [x, index, y] = [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)];
  if (y.size === 0) return;
  const count = index.shape[along ? 0 : attrs.axis] ?? 0;
  device.dispatch({
    kernel,
    constants: { ALONG: along, T: wordType(x.dtype) },
    buffers: [x.range, index.range, y.range],
    uniforms: [y.size, count, sizeOf(y.shape.slice(attrs.axis + 1)), attrs.size],
    workgroups: foldWorkgroups(Math.ceil(y.size / 64)),
  });
}

/** Samples of an indexed copy of `x` along an axis of `size` places by an index of `count` of them. */
const INDEXED = [
  { x: [7], axis: 0, count: 4 },
  { x: [5, 3], axis: 0, count: 8 },
  { x: [2, 3, 5], axis: 1, count: 1 },
  { x: [2, 3, 5], axis: 2, count: 0 },
  { x: [1031, 2], axis: 0, count: 517 },
].map(({ x, axis, count }) => {
  const size = x[axis] ?? 0;
  const index: InputDraw = { dtype: 'i32', range: [0, size] };
  return { x, index: x.with(axis, count), attrs: { axis, size }, draws: [null, index] };
});

const gatherOp: Op<AxisSizeAttrs> = defineOp<AxisSizeAttrs>({
  name: 'gather',
  summary: 'The elements that an index names along an axis.',
  dtypes: EVERY_DTYPE,
  samples: INDEXED.map(({ x, index, ...rest }) => ({ shapes: [x, index], ...rest })),
  infer: (inputs, { axis, size }) => {
    const [x, index] = [nth(inputs, 0), nth(inputs, 1)];
    checkIndex('gather', x.shape, index, axis);
    if (size === 0 && index.size > 0) throw new ShapeError(`gather: axis ${axis} of ${formatShape(x.shape)} is empty`);
    return [{ shape: index.shape, dtype: x.dtype }];
  },
  run: (call) => {
    dispatchIndexed(gatherKernel, false, call);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(scatterAddOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

const scatterAddOp: Op<AxisSizeAttrs> = defineOp<AxisSizeAttrs>({
  name: 'scatterAdd',
  summary: 'Sums of the elements that an index sends to each place along an axis: the adjoint of gather.',
  samples: INDEXED.map(({ index, ...rest }) => ({ shapes: [index, index], ...rest })),
  infer: (inputs, { axis, size }) => {
    const [x, index] = [nth(inputs, 0), nth(inputs, 1)];
    expectDType('scatterAdd', [x], 'f32');
    checkIndex('scatterAdd', x.shape, index, axis);
    return [{ shape: index.shape.with(axis, size), dtype: 'f32' }];
  },
  run: (call) => {
    dispatchIndexed(scatterAddKernel, false, call);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(gatherOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

/** Throws unless `index` is i32 `[n]`. */
function checkLine(op: string, index: Tensor): void {
  expectDType(`${op}: index`, [index], 'i32');
  if (index.rank !== 1) throw new ShapeError(`${op}: index of shape ${formatShape(index.shape)}; expected [n]`);
}

const indexSelectOp: Op<AxisSizeAttrs> = defineOp<AxisSizeAttrs>({
  name: 'indexSelect',
  summary: 'The slices that an index names along an axis.',
  dtypes: EVERY_DTYPE,
  samples: INDEXED.map(({ x, index, ...rest }) => ({ shapes: [x, index.slice(rest.attrs.axis).slice(0, 1)], ...rest })),
  infer: (inputs, { axis, size }) => {
    const [x, index] = [nth(inputs, 0), nth(inputs, 1)];
    checkLine('indexSelect', index);
    const shape = x.shape.with(axis, index.size);
    if (size === 0 && sizeOf(shape) > 0) {
      throw new ShapeError(`indexSelect: axis ${axis} of ${formatShape(x.shape)} is empty`);
    }
    return [{ shape, dtype: x.dtype }];
  },
  run: (call) => {
    dispatchIndexed(gatherKernel, true, call);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(indexAddOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

const indexAddOp: Op<AxisSizeAttrs> = defineOp<AxisSizeAttrs>({
  name: 'indexAdd',
  summary: 'Sums of the slices that an index sends to each place along an axis: the adjoint of indexSelect.',
  samples: INDEXED.map(({ index, ...rest }) => ({
    shapes: [index, index.slice(rest.attrs.axis).slice(0, 1)],
    ...rest,
  })),
  infer: (inputs, { axis, size }) => {
    const [x, index] = [nth(inputs, 0), nth(inputs, 1)];
    expectDType('indexAdd', [x], 'f32');
    checkLine('indexAdd', index);
    if (x.shape[axis] !== index.size) {
      throw new ShapeError(
        `indexAdd: ${index.size} indices for ${formatShape(x.shape)}; expected one for each place along axis ${axis}`,
      );
    }
    return [{ shape: x.shape.with(axis, size), dtype: 'f32' }];
  },
  run: (call) => {
    dispatchIndexed(scatterAddKernel, true, call);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(indexSelectOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
});

/**
 * y[.., j, ..] = x[.., index[.., j, ..], ..] along `axis`, as PyTorch's `gather`; `index` (i32) agrees with `x` in all
 * other axes. An index outside the axis is cut to its nearest end.
 */
export function gather(x: Tensor, axis: number, index: Tensor): Tensor {
  const at = normalizeAxis('gather', axis, x.rank);
  return applyOne(gatherOp, [x, index], { axis: at, size: x.shape[at] ?? 0 });
}

/**
 * y[.., k, ..] = sum of x[.., j, ..] over all j with index[.., j, ..] = k, with `size` places along `axis`; the sums run
 * in a fixed order. `index` (i32) has `x`'s shape.
 */
export function scatterAdd(x: Tensor, axis: number, index: Tensor, size: number): Tensor {
  return applyOne(scatterAddOp, [x, index], { axis: normalizeAxis('scatterAdd', axis, x.rank), size });
}

/**
 * The slices of `x` at the places along `axis` that `index` (i32 `[n]`) names: y[.., j, ..] = x[.., index[j], ..]. An index outside
 * the axis is cut to its nearest end.
 */
export function indexSelect(x: Tensor, axis: number, index: Tensor): Tensor {
  const at = normalizeAxis('indexSelect', axis, x.rank);
  return applyOne(indexSelectOp, [x, index], { axis: at, size: x.shape[at] ?? 0 });
}

/**
 * The adjoint of `indexSelect`: `size` places along `axis`, each the sum of the slices of `x` that `index` (i32, one for each place of
 * `x` along the axis) sends there, in a fixed order. What PyTorch's `index_add` adds to zeros.
 */
export function indexAdd(x: Tensor, axis: number, index: Tensor, size: number): Tensor {
  return applyOne(indexAddOp, [x, index], { axis: normalizeAxis('indexAdd', axis, x.rank), size });
}

/** Options of `embedding`. */
export interface EmbeddingOptions {
  /** A row of the table that gets no gradient; none by default. */
  readonly paddingIdx?: number;
}

/**
 * Rows of a table: `weight` `[n, d]` at `indices` (i32, any shape) gives `[...indices.shape, d]`, as PyTorch's `embedding`. An
 * index outside [0, n) is cut to its nearest end.
 *
 * @throws ShapeError for a table that is not `[n, d]`, ArgumentError for a `paddingIdx` that is none of its rows
 */
export function embedding(indices: Tensor, weight: Tensor, { paddingIdx }: EmbeddingOptions = {}): Tensor {
  expectDType('embedding: indices', [indices], 'i32');
  const [rows = 0, width] = weight.shape;
  if (weight.rank !== 2 || width === undefined) {
    throw new ShapeError(`embedding: weight of shape ${formatShape(weight.shape)}; expected [n, d]`);
  }
  if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= 0 && paddingIdx < rows)) {
    throw new ArgumentError(`embedding: paddingIdx ${paddingIdx}; expected a row of the table, 0 to ${rows - 1}`);
  }
  const picked = reshape(indexSelect(weight, 0, reshape(indices, [indices.size])), [...indices.shape, width]);
  return paddingIdx === undefined ? picked : where(unsqueeze(eq(indices, paddingIdx), -1), picked.detach(), picked);
}

/** One-hot rows, f32 `[...labels.shape, classes]`, of i32 labels; a label outside [0, classes) gives a row of zeros. */
export function oneHot(labels: Tensor, classes: number): Tensor {
  expectDType('oneHot', [labels], 'i32');
  return to(eq(unsqueeze(labels, -1), arange(0, classes, { device: labels.device })), 'f32');
}
