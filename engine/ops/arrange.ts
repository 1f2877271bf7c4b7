/** Rearrangements made of the copies in `movement.ts` and `indexing.ts`; they have no kernels of their own. */
import { ArgumentError, ShapeError } from '../errors.js';
import { formatShape, normalizeAxes, normalizeAxis } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { full, ones, tensor } from './create.js';
import { where } from './elementwise.js';
import { indexSelect } from './indexing.js';
import { expand, place, reshape, slice } from './movement.js';

/** `x` walked backwards along `axes`, all by default. */
export function flip(x: Tensor, axes?: number | readonly number[]): Tensor {
  const turned = normalizeAxes('flip', axes, x.rank);
  return slice(
    x,
    x.shape.map((_, axis) => (turned.includes(axis) ? { step: -1 } : null)),
  );
}

/** The places from `start` on, `count` of them, along one axis. */
function narrow(x: Tensor, axis: number, start: number, count: number): Tensor {
  return slice(
    x,
    x.shape.map((_, each) => (each === axis ? { start, end: start + count } : null)),
  );
}

/**
 * The parts of `x` along `axis`: of `sizes` places each (the last may have fewer), or of as many as the list says.
 *
 * @throws ArgumentError for a size that is no positive integer, ShapeError for a list that does not add up to the axis
 */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  const at = normalizeAxis('split', axis, x.rank);
  const total = x.shape[at] ?? 0;
  if (typeof sizes === 'number') {
    if (!(Number.isInteger(sizes) && sizes >= 1)) {
      throw new ArgumentError(`split: size ${sizes}; expected an integer from 1 up`);
    }
    const count = Math.max(1, Math.ceil(total / sizes));
    return Array.from({ length: count }, (_, part) =>
      narrow(x, at, part * sizes, Math.min(sizes, total - part * sizes)),
    );
  }
  const sum = sizes.reduce((all, size) => all + size, 0);
  if (sum !== total || sizes.some((size) => !(Number.isInteger(size) && size >= 0))) {
    throw new ShapeError(
      `split: sizes ${formatShape(sizes)} along axis ${at} of ${formatShape(x.shape)}; expected integers from 0 up that add up to ${total}`,
    );
  }
  let start = 0;
  return sizes.map((size) => {
    start += size;
    return narrow(x, at, start - size, size);
  });
}

/** `x` in at most `count` parts of equal size along `axis`, the last smaller where the axis does not divide: as PyTorch's. */
export function chunk(x: Tensor, count: number, axis = 0): Tensor[] {
  if (!(Number.isInteger(count) && count >= 1)) {
    throw new ArgumentError(`chunk: ${count} parts; expected an integer from 1 up`);
  }
  return split(x, Math.max(1, Math.ceil((x.shape[normalizeAxis('chunk', axis, x.rank)] ?? 0) / count)), axis);
}

/**
 * `x` laid side by side `counts[k]` times along each axis, as PyTorch's `tile` and NumPy's: the shorter of counts and shape is
 * filled up with leading ones.
 *
 * @throws ArgumentError for a count that is no integer from 0 up
 */
export function tile(x: Tensor, counts: readonly number[]): Tensor {
  if (!counts.every((count) => Number.isInteger(count) && count >= 0)) {
    throw new ArgumentError(`tile: counts ${formatShape(counts)}; expected integers from 0 up`);
  }
  const rank = Math.max(x.rank, counts.length);
  const leading = (values: readonly number[]): number[] => [...Array<number>(rank - values.length).fill(1), ...values];
  const [shape, times] = [leading(x.shape), leading(counts)];
  // Each axis of size s becomes [1, s], is broadcast to [count, s], and merges again.
  const between = expand(
    reshape(
      x,
      shape.flatMap((size) => [1, size]),
    ),
    shape.flatMap((size, axis) => [times[axis] ?? 1, size]),
  );
  return reshape(
    between,
    shape.map((size, axis) => size * (times[axis] ?? 1)),
  );
}

/** As `tile`, but there have to be at least as many counts as axes: PyTorch's `Tensor.repeat`. Throws as `tile` does. */
export function repeat(x: Tensor, counts: readonly number[]): Tensor {
  if (counts.length < x.rank) {
    throw new ShapeError(
      `repeat: ${counts.length} counts for shape ${formatShape(x.shape)}; expected one for each axis`,
    );
  }
  return tile(x, counts);
}

/** What `pad` fills with: a value, the mirror image without and with the edge, the edge, or the other end. */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** Options of `pad`. */
export interface PadOptions {
  /** `constant` by default. */
  readonly mode?: PadMode;
  /** What `constant` fills with; 0 by default. */
  readonly value?: number;
}

/** The padding of one axis. */
interface Margin {
  readonly axis: number;
  readonly size: number;
  readonly before: number;
  readonly after: number;
}

/**
 * `x` with places added before and after its last axes; negative numbers take places away. `padding` is in PyTorch's order: before and
 * after the last axis, then the one before it, and so on.
 *
 * @throws ArgumentError for a list of odd length or of numbers that are no integers; ShapeError where there are more pairs than
 * axes, where more is taken away than there is, or where `reflect` or `circular` would need more than one image of the axis
 */
export function pad(x: Tensor, padding: readonly number[], { mode = 'constant', value = 0 }: PadOptions = {}): Tensor {
  const margins = marginsOf(x, padding, mode);
  if (mode === 'constant') return padConstant(x, margins, value);
  return margins.reduce((padded, margin) => {
    const { axis, size, before, after } = margin;
    if (before === 0 && after === 0) return padded;
    const places = Int32Array.from({ length: before + size + after }, (_, at) => sourceOf(mode, at - before, size));
    return indexSelect(padded, axis, tensor(places, { device: x.device, dtype: 'i32' }));
  }, x);
}

/** The place in [0, size) whose value a place outside takes. */
function sourceOf(mode: Exclude<PadMode, 'constant'>, at: number, size: number): number {
  switch (mode) {
    case 'replicate':
      return Math.min(Math.max(at, 0), size - 1);
    case 'reflect':
      return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
    case 'circular':
      return (at + size) % size;
    default:
      return mode satisfies never;
  }
}

function marginsOf(x: Tensor, padding: readonly number[], mode: PadMode): Margin[] {
  const given = `padding ${formatShape(padding)} of a tensor of shape ${formatShape(x.shape)}`;
  if (padding.length % 2 !== 0 || !padding.every(Number.isInteger)) {
    throw new ArgumentError(`pad: ${given}; expected a pair of integers for each padded axis, the last axis first`);
  }
  if (padding.length > 2 * x.rank) throw new ShapeError(`pad: ${given} has more pairs than axes`);
  return Array.from({ length: padding.length / 2 }, (_, pair) => {
    const axis = x.rank - 1 - pair;
    const [size, before, after] = [x.shape[axis] ?? 0, padding[2 * pair] ?? 0, padding[2 * pair + 1] ?? 0];
    if (size + Math.min(before, 0) + Math.min(after, 0) < 0) {
      throw new ShapeError(`pad: ${given} takes more from axis ${axis} than its ${size} places`);
    }
    const most = { constant: Infinity, replicate: size > 0 ? Infinity : 0, reflect: size - 1, circular: size }[mode];
    if (Math.max(before, after) > Math.max(0, most)) {
      throw new ShapeError(
        `pad: ${given}; ${mode} can add at most ${Math.max(0, most)} places on a side of axis ${axis}`,
      );
    }
    return { axis, size, before, after };
  });
}

function padConstant(x: Tensor, margins: readonly Margin[], value: number): Tensor {
  const byAxis = new Map(margins.map((margin) => [margin.axis, margin]));
  const ranges = x.shape.map((size, axis) => {
    const { before = 0, after = 0 } = byAxis.get(axis) ?? {};
    return before < 0 || after < 0 ? { start: Math.max(0, -before), end: size - Math.max(0, -after) } : null;
  });
  const cut = ranges.some((range) => range !== null) ? slice(x, ranges) : x;
  const starts = x.shape.map((_, axis) => Math.max(0, byAxis.get(axis)?.before ?? 0));
  const shape = cut.shape.map((size, axis) => (starts[axis] ?? 0) + size + Math.max(0, byAxis.get(axis)?.after ?? 0));
  const placed = place(cut, shape, starts);
  if (value === 0) return placed;
  const { device, dtype } = x;
  const inside = place(ones(cut.shape, { device, dtype: 'bool' }), shape, starts);
  return where(inside, placed, full([], value, { device, dtype }));
}
