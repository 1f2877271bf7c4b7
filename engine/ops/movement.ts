import stridedCopySource from '../../shaders/strided_copy.wgsl';
import type { Device } from '../device.js';
import { EVERY_DTYPE, wordType } from '../dtype.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { defineKernel, strideWorkgroups } from '../kernel.js';
import { applyOne, defineOp, nth, type Op } from '../op.js';
import {
  broadcastShapes,
  broadcastStrides,
  checkShape,
  formatShape,
  normalizeAxis,
  sameShape,
  sizeOf,
  stridesOf,
  type Shape,
} from '../shape.js';
import { mergeAxes, spaceWords } from '../strided.js';
import type { Tensor } from '../tensor.js';
import { sum } from './reduce.js';
import { repeatElement } from './unary.js';

const stridedCopyKernel = defineKernel({
  name: 'strided_copy',
  source: stridedCopySource,
  bindings: ['read', 'write'],
});

/** One operand of a strided copy: where it starts, in elements, and how it steps along the index space. */
interface Walk {
  readonly offset: number;
  readonly strides: readonly number[];
}

function stridedCopy(device: Device, op: string, shape: Shape, x: Tensor, from: Walk, y: Tensor, into: Walk): void {
  const size = sizeOf(shape);
  if (size === 0) return;
  const space = mergeAxes(op, shape, [from.strides, into.strides]);
  device.dispatch({
    kernel: stridedCopyKernel,
    constants: { RANK: space.shape.length, T: wordType(x.dtype) },
    buffers: [x.range, y.range],
    uniforms: [size, from.offset, into.offset, 0, ...spaceWords(space)],
    workgroups: strideWorkgroups(size, device.caps),
    label: op,
  });
}

interface ShapeAttrs {
  readonly shape: Shape;
}

const reshapeOp: Op<ShapeAttrs> = defineOp<ShapeAttrs>({
  name: 'reshape',
  summary: 'The same elements in another shape; shares memory.',
  dtypes: EVERY_DTYPE,
  view: true,
  samples: [
    { shapes: [[2, 3, 4]], attrs: { shape: [6, 4] } },
    { shapes: [[1]], attrs: { shape: [] } },
  ],
  infer: (inputs, { shape }) => {
    const x = nth(inputs, 0);
    checkShape('reshape', shape);
    if (sizeOf(shape) !== x.size) {
      throw new ShapeError(
        `reshape: ${formatShape(x.shape)} has ${x.size} elements, ${formatShape(shape)} has ${sizeOf(shape)}`,
      );
    }
    return [{ shape, dtype: x.dtype }];
  },
  run: () => undefined,
  backward: ({ grads, inputs }) => [reshape(nth(grads, 0), nth(inputs, 0).shape)],
});

/** The same elements in another shape, for free; one axis may be -1 and is then inferred. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const inferred = shape.map((size) => (size === -1 && known > 0 ? x.size / known : size));
  return applyOne(reshapeOp, [x], { shape: inferred });
}

/** Merges the axes from `start` to `end` (inclusive) into one. */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  if (x.rank === 0) return reshape(x, [1]);
  const [first, last] = [normalizeAxis('flatten', start, x.rank), normalizeAxis('flatten', end, x.rank)];
  return reshape(x, [...x.shape.slice(0, first), sizeOf(x.shape.slice(first, last + 1)), ...x.shape.slice(last + 1)]);
}

/** Drops an axis of size 1. */
export function squeeze(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis('squeeze', axis, x.rank);
  if (x.shape[at] !== 1) {
    throw new ShapeError(`squeeze: axis ${axis} of ${formatShape(x.shape)} has size ${x.shape[at]}; expected 1`);
  }
  return reshape(x, x.shape.toSpliced(at, 1));
}

/** Inserts an axis of size 1 before `axis`. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  return reshape(x, x.shape.toSpliced(normalizeAxis('unsqueeze', axis, x.rank + 1), 0, 1));
}

interface PermuteAttrs {
  readonly axes: readonly number[];
}

const permuteOp: Op<PermuteAttrs> = defineOp<PermuteAttrs>({
  name: 'permute',
  summary: 'The axes in another order.',
  dtypes: EVERY_DTYPE,
  samples: [
    { shapes: [[2, 3, 5]], attrs: { axes: [2, 0, 1] } },
    { shapes: [[1, 7]], attrs: { axes: [1, 0] } },
    { shapes: [[0, 3]], attrs: { axes: [1, 0] } },
  ],
  infer: (inputs, { axes }) => {
    const x = nth(inputs, 0);
    return [{ shape: axes.map((axis) => x.shape[axis] ?? 0), dtype: x.dtype }];
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    const strides = stridesOf(x.shape);
    const from = { offset: 0, strides: attrs.axes.map((axis) => strides[axis] ?? 0) };
    stridedCopy(device, 'permute', y.shape, x, from, y, { offset: 0, strides: stridesOf(y.shape) });
  },
  backward: ({ grads, attrs }) => [
    permute(
      nth(grads, 0),
      attrs.axes.map((_, axis) => attrs.axes.indexOf(axis)),
    ),
  ],
});

/** Axis k of the result is axis `axes[k]` of `x`. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const order = axes.map((axis) => normalizeAxis('permute', axis, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError(
      `permute: ${formatShape(axes)} is not an order of the ${x.rank} axes of ${formatShape(x.shape)}`,
    );
  }
  return applyOne(permuteOp, [x], { axes: order });
}

/** Exchanges two axes, the last two by default. */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  const [first, second] = [normalizeAxis('transpose', a, x.rank), normalizeAxis('transpose', b, x.rank)];
  const axes = x.shape.map((_, axis) => (axis === first ? second : axis === second ? first : axis));
  return permute(x, axes);
}

/** One axis of a slice: from `start`, `count` elements, `step` apart. */
interface Span {
  readonly start: number;
  readonly count: number;
  readonly step: number;
}

interface SliceAttrs {
  readonly spans: readonly Span[];
  /** The shape of the tensor that is cut from, or placed into. */
  readonly shape: Shape;
}

/** The walk over the elements that `spans` pick of a tensor of `shape`. */
function spanWalk({ spans, shape }: SliceAttrs): Walk {
  const strides = stridesOf(shape);
  return {
    offset: spans.reduce((offset, span, axis) => offset + span.start * (strides[axis] ?? 0), 0),
    strides: spans.map((span, axis) => span.step * (strides[axis] ?? 0)),
  };
}

const SLICE_ATTRS: SliceAttrs = {
  shape: [5, 7],
  spans: [
    { start: 4, count: 2, step: -2 },
    { start: 1, count: 3, step: 2 },
  ],
};

const sliceOp: Op<SliceAttrs> = defineOp<SliceAttrs>({
  name: 'slice',
  summary: 'A strided range along every axis.',
  dtypes: EVERY_DTYPE,
  samples: [{ shapes: [[5, 7]], attrs: SLICE_ATTRS }],
  infer: (inputs, { spans }) => [{ shape: spans.map((span) => span.count), dtype: nth(inputs, 0).dtype }],
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    stridedCopy(device, 'slice', y.shape, x, spanWalk(attrs), y, { offset: 0, strides: stridesOf(y.shape) });
  },
  backward: ({ grads, attrs }) => [applyOne(placeOp, [nth(grads, 0)], attrs)],
});

const placeOp: Op<SliceAttrs> = defineOp<SliceAttrs>({
  name: 'place',
  summary: 'Zeros with the input at a strided range: the adjoint of slice.',
  dtypes: EVERY_DTYPE,
  samples: [{ shapes: [[2, 3]], attrs: SLICE_ATTRS }],
  infer: (inputs, { shape }) => [{ shape, dtype: nth(inputs, 0).dtype }],
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    device.clear(y.range);
    stridedCopy(device, 'place', x.shape, x, { offset: 0, strides: stridesOf(x.shape) }, y, spanWalk(attrs));
  },
  backward: ({ grads, attrs }) => [applyOne(sliceOp, [nth(grads, 0)], attrs)],
});

/** A range of an axis, as in Python: negative ends count from the back, and ends past the axis are cut to it. */
export interface Range {
  readonly start?: number;
  readonly end?: number;
  /** Not 0; negative steps walk backwards, from the last element by default. */
  readonly step?: number;
}

/** The elements that `ranges` pick along the leading axes; `null` keeps an axis whole. */
export function slice(x: Tensor, ranges: readonly (Range | null)[]): Tensor {
  if (ranges.length > x.rank) {
    throw new ShapeError(`slice: ${ranges.length} ranges for a tensor of shape ${formatShape(x.shape)}`);
  }
  const spans = x.shape.map((size, axis) => spanOf(size, ranges[axis] ?? {}));
  return applyOne(sliceOp, [x], { spans, shape: x.shape });
}

/** Zeros of `shape` with `x` at `starts`: the adjoint of the slice that begins there. The place has to be inside. */
export function place(x: Tensor, shape: Shape, starts: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const spans = x.shape.map((count, axis) => ({ start: starts[axis] ?? 0, count, step: 1 }));
  return applyOne(placeOp, [x], { spans, shape });
}

function spanOf(size: number, { start, end, step = 1 }: Range): Span {
  if (!Number.isInteger(step) || step === 0)
    throw new ArgumentError(`slice: step ${step}; expected an integer other than 0`);
  const cut = (value: number): number =>
    Math.min(Math.max(value < 0 ? value + size : value, step > 0 ? 0 : -1), step > 0 ? size : size - 1);
  const first = start === undefined ? (step > 0 ? 0 : size - 1) : cut(start);
  const stop = end === undefined ? (step > 0 ? size : -1) : cut(end);
  return { start: first, count: Math.max(0, Math.ceil((stop - first) / step)), step };
}

interface AxisAttrs {
  readonly axis: number;
}

const concatOp: Op<AxisAttrs> = defineOp<AxisAttrs>({
  name: 'concat',
  summary: 'Tensors one after another along an axis.',
  dtypes: EVERY_DTYPE,
  samples: [
    {
      shapes: [
        [2, 3],
        [2, 1],
        [2, 0],
      ],
      attrs: { axis: 1 },
    },
    { shapes: [[3], [4]], attrs: { axis: 0 } },
  ],
  infer: (inputs, { axis }) => {
    const first = nth(inputs, 0);
    for (const input of inputs) {
      const fits = input.rank === first.rank && input.shape.every((size, k) => k === axis || size === first.shape[k]);
      if (!fits || input.dtype !== first.dtype) {
        throw new ShapeError(
          `concat: ${first.dtype} ${formatShape(first.shape)} and ${input.dtype} ${formatShape(input.shape)} ` +
            `do not join along axis ${axis}; all other axes and the dtype must agree`,
        );
      }
    }
    const size = inputs.reduce((total, input) => total + (input.shape[axis] ?? 0), 0);
    return [{ shape: first.shape.with(axis, size), dtype: first.dtype }];
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const y = nth(outputs, 0);
    const strides = stridesOf(y.shape);
    let offset = 0;
    for (const x of inputs) {
      stridedCopy(device, 'concat', x.shape, x, { offset: 0, strides: stridesOf(x.shape) }, y, { offset, strides });
      offset += (x.shape[attrs.axis] ?? 0) * (strides[attrs.axis] ?? 0);
    }
  },
  backward: ({ grads, inputs, attrs, needs }) => {
    let start = 0;
    return inputs.map((input, index) => {
      const end = start + (input.shape[attrs.axis] ?? 0);
      const range = { start, end };
      start = end;
      if (!needs[index]) return undefined;
      return slice(
        nth(grads, 0),
        input.shape.map((_, axis) => (axis === attrs.axis ? range : null)),
      );
    });
  },
});

/** Joins tensors along an existing axis; all other axes must agree. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ArgumentError('concat: no tensors; expected at least one');
  return applyOne(concatOp, tensors, { axis: normalizeAxis('concat', axis, first.rank) });
}

/** Joins tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return concat(
    tensors.map((item) => unsqueeze(item, axis)),
    axis,
  );
}

const expandOp: Op<ShapeAttrs> = defineOp<ShapeAttrs>({
  name: 'expand',
  summary: 'Repetition along axes of size 1 and new leading axes.',
  dtypes: EVERY_DTYPE,
  samples: [{ shapes: [[3, 1]], attrs: { shape: [2, 3, 5] } }],
  infer: (inputs, { shape }) => {
    const x = nth(inputs, 0);
    if (!sameShape(broadcastShapes('expand', x.shape, shape), shape)) {
      throw new ShapeError(`expand: ${formatShape(x.shape)} does not expand to ${formatShape(shape)}`);
    }
    return [{ shape, dtype: x.dtype }];
  },
  run: ({ device, inputs, outputs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    if (x.size === 1 && x.dtype !== 'f16') {
      repeatElement(x, y);
      return;
    }
    const from = { offset: 0, strides: broadcastStrides(x.shape, y.shape) };
    stridedCopy(device, 'expand', y.shape, x, from, y, { offset: 0, strides: stridesOf(y.shape) });
  },
  backward: ({ grads, inputs }) => [sumToShape(nth(grads, 0), nth(inputs, 0).shape)],
});

/** `x` broadcast to `shape`. Copies. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : applyOne(expandOp, [x], { shape });
}

/** The sum over the axes along which `shape` was broadcast to `x`'s shape: the adjoint of `expand`. */
export function sumToShape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((size, axis) => (axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : []));
  return reshape(sum(x, axes, { keepDim: true }), shape);
}
