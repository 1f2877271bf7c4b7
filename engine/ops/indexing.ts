import gatherSource from '../../shaders/gather.wgsl';
import scatterAddSource from '../../shaders/scatter_add.wgsl';
import { ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups, type Kernel } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type InputDraw, type Op, type RunCall } from '../op.js';
import { formatShape, normalizeAxis, sizeOf, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { arange } from './create.js';
import { eq, to } from './elementwise.js';
import { unsqueeze } from './movement.js';

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

function dispatchIndexed(kernel: Kernel, { device, inputs, outputs, attrs }: RunCall<AxisSizeAttrs>): void {
  const [x, index, y] = [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)];
  if (y.size === 0) return;
  const inner = sizeOf(index.shape.slice(attrs.axis + 1));
  device.dispatch({
    kernel,
    buffers: [x.range, index.range, y.range],
    uniforms: [y.size, index.shape[attrs.axis] ?? 0, inner, attrs.size],
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
  dtypes: ['f32', 'i32', 'u32', 'bool'],
  samples: INDEXED.map(({ x, index, ...rest }) => ({ shapes: [x, index], ...rest })),
  infer: (inputs, { axis, size }) => {
    const [x, index] = [nth(inputs, 0), nth(inputs, 1)];
    checkIndex('gather', x.shape, index, axis);
    if (size === 0 && index.size > 0) throw new ShapeError(`gather: axis ${axis} of ${formatShape(x.shape)} is empty`);
    return [{ shape: index.shape, dtype: x.dtype }];
  },
  run: (call) => {
    dispatchIndexed(gatherKernel, call);
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
    dispatchIndexed(scatterAddKernel, call);
  },
  backward: ({ grads, inputs, attrs }) => [applyOne(gatherOp, [nth(grads, 0), nth(inputs, 1)], attrs), undefined],
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

/** One-hot rows, f32 `[...labels.shape, classes]`, of i32 labels; a label outside [0, classes) gives a row of zeros. */
export function oneHot(labels: Tensor, classes: number): Tensor {
  expectDType('oneHot', [labels], 'i32');
  return to(eq(unsqueeze(labels, -1), arange(0, classes, { device: labels.device })), 'f32');
}
