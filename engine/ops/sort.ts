import sortSource from '../../shaders/sort.wgsl';
import type { Device } from '../device.js';
import { storageType } from '../dtype.js';
import { ArgumentError } from '../errors.js';
import { defineKernel, strideWorkgroups, type Kernel } from '../kernel.js';
import { apply, defineOp, expectDType, nth, type Op } from '../op.js';
import { formatShape, normalizeAxis, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { gather } from './indexing.js';
import { slice } from './movement.js';

const rankKernel = defineKernel({ name: 'sort', source: sortSource, bindings: ['read', 'write', 'write'] });
const mergeKernel = defineKernel({ name: 'sort', source: sortSource, bindings: ['read', 'read', 'write', 'write'] });
const lastMergeKernel = defineKernel({
  name: 'sort',
  source: sortSource,
  bindings: ['read', 'read', 'write', 'write', 'read'],
});

/** Elements that the first pass brings in order by counting. */
const BLOCK = 32;

interface SortAttrs {
  readonly axis: number;
  readonly descending: boolean;
}

/** A pass's keys (elements, after the last) and the places that they come from. */
interface Sorted {
  readonly words: Tensor;
  readonly index: Tensor;
}

/** Records the passes that sort `x` along `axis` into `result`. */
function sortInto(device: Device, x: Tensor, { axis, descending }: SortAttrs, result: Sorted): void {
  const count = x.shape[axis] ?? 1;
  const inner = sizeOf(x.shape.slice(axis + 1));
  const pass = (kernel: Kernel, kind: 'rank' | 'merge', run: number, reached: number, read: Tensor[]): Sorted => {
    const last = reached >= count;
    const after = last ? result : { words: device.empty(x.shape, 'u32'), index: device.empty(x.shape, 'i32') };
    device.dispatch({
      kernel,
      constants: { PASS: kind, LAST: last, SOURCE: storageType(x.dtype), DESCENDING: descending },
      buffers: [...read.slice(0, 2), after.words, after.index, ...read.slice(2)].map((tensor) => tensor.range),
      uniforms: [x.size, count, inner, run],
      workgroups: strideWorkgroups(x.size, device.caps),
      label: 'sort',
    });
    return after;
  };
  let sorted = pass(rankKernel, 'rank', BLOCK, BLOCK, [x]);
  for (let run = BLOCK; run < count; run *= 2) {
    const { words, index } = sorted;
    const last = 2 * run >= count;
    sorted = pass(last ? lastMergeKernel : mergeKernel, 'merge', run, 2 * run, [words, index, ...(last ? [x] : [])]);
    words.dispose();
    index.dispose();
  }
}

const sortOp: Op<SortAttrs> = defineOp<SortAttrs>({
  name: 'sort',
  summary: 'The elements along an axis in order, and where each was.',
  dtypes: ['f32', 'i32', 'u32'],
  samples: [
    { shapes: [[7]], attrs: { axis: 0, descending: false } },
    { shapes: [[1]], attrs: { axis: 0, descending: true } },
    { shapes: [[3, 37]], attrs: { axis: 1, descending: true } },
    { shapes: [[2, 33, 3]], attrs: { axis: 1, descending: false } },
    { shapes: [[0, 3]], attrs: { axis: 1, descending: false } },
    { shapes: [[3, 0]], attrs: { axis: 1, descending: false } },
    { shapes: [[1031]], attrs: { axis: 0, descending: true } },
    // Whole numbers, because so many floats are too close to each other for central differences.
    {
      shapes: [[4099, 2]],
      attrs: { axis: 0, descending: false },
      draws: [{ dtype: 'i32', range: [-1000, 1000] }],
    },
  ],
  infer: (inputs) => {
    const { shape, dtype } = nth(inputs, 0);
    expectDType('sort', inputs, 'f32', 'i32', 'u32');
    return [
      { shape, dtype },
      { shape, dtype: 'i32' },
    ];
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const x = nth(inputs, 0);
    if (x.size > 0) sortInto(device, x, attrs, { words: nth(outputs, 0), index: nth(outputs, 1) });
  },
  // Place j came from place index[j]: the gradient goes back there, which is to gather by the inverse permutation.
  backward: ({ grads, outputs, attrs: { axis } }) => [gather(nth(grads, 0), axis, sort(nth(outputs, 1), axis).indices)],
});

/** What `sort` and `topk` give. */
export interface SortResult {
  readonly values: Tensor;
  /** The place of each value along the axis of the input, i32. */
  readonly indices: Tensor;
}

/** Options of `sort`. */
export interface SortOptions {
  /** Largest first; false by default. */
  readonly descending?: boolean;
  /** As in PyTorch; the sort is stable in any case: equal elements keep their order. */
  readonly stable?: boolean;
}

/**
 * The elements (f32, i32 or u32) along `axis`, the last by default, in order, and the place that each had: two tensors of
 * `x`'s shape. Stable. A NaN counts as larger than every number. The gradient of `values` goes back to these places.
 */
export function sort(x: Tensor, axis = -1, { descending = false }: SortOptions = {}): SortResult {
  const outputs = apply(sortOp, [x], { axis: normalizeAxis('sort', axis, x.rank), descending });
  return { values: nth(outputs, 0), indices: nth(outputs, 1) };
}

/** Options of `topk`. */
export interface TopkOptions {
  /** The largest elements, largest first; else the smallest, smallest first. True by default. */
  readonly largest?: boolean;
}

/**
 * The `k` largest (or smallest) elements along `axis`, the last by default, in order, and their places; of equal elements
 * those that come first. Throws an `ArgumentError` unless `k` is a whole number from 0 to the size of the axis.
 */
export function topk(x: Tensor, k: number, axis = -1, { largest = true }: TopkOptions = {}): SortResult {
  const at = normalizeAxis('topk', axis, x.rank);
  const size = x.shape[at] ?? 0;
  if (!Number.isInteger(k) || k < 0 || k > size) {
    throw new ArgumentError(`topk: k = ${k} for axis ${axis} of shape ${formatShape(x.shape)}; expected 0 to ${size}`);
  }
  const { values, indices } = sort(x, at, { descending: largest });
  const ranges = x.shape.map((_, other) => (other === at ? { end: k } : null));
  return { values: slice(values, ranges), indices: slice(indices, ranges) };
}
