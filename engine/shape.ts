import { ShapeError } from './errors.js';

/** The sizes of a tensor's axes, outermost first. */
export type Shape = readonly number[];

/** Number of elements; 1 for the empty shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** `[2, 3]` as text. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Whether both shapes have the same axes. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  }
  return strides;
}

/** Throws unless every axis is a non-negative integer. */
export function checkShape(op: string, shape: Shape): void {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) {
      throw new ShapeError(`${op}: shape ${formatShape(shape)} has an axis that is not a non-negative integer`);
    }
  }
}

/** An axis counted from either end, as a number in [0, rank). */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw new ShapeError(
      `${op}: axis ${axis} does not exist in a tensor of rank ${rank}; expected ${-rank} to ${rank - 1}`,
    );
  }
  return positive;
}

/** Axes counted from either end, sorted, without repetition; `undefined` means all of them. */
export function normalizeAxes(op: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = typeof axes === 'number' ? [axes] : axes;
  const normal = list.map((axis) => normalizeAxis(op, axis, rank));
  if (new Set(normal).size !== normal.length) {
    throw new ShapeError(`${op}: axes ${formatShape(list)} name one axis twice; name each once`);
  }
  return normal.sort((a, b) => a - b);
}

/** The shape that NumPy's broadcasting gives; throws where an axis differs and neither is 1. */
export function broadcastShapes(op: string, ...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let size = 1;
    for (const shape of shapes) {
      const own = shape[shape.length - rank + axis] ?? 1;
      if (own === 1 || own === size) continue;
      if (size !== 1) {
        const all = shapes.map(formatShape).join(' and ');
        throw new ShapeError(`${op}: shapes ${all} do not broadcast; each axis must agree or be 1`);
      }
      size = own;
    }
    return size;
  });
}

/** Strides of `shape` laid under `target` by broadcasting: 0 along every repeated axis. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, axis) => (axis < lead || shape[axis - lead] === 1 ? 0 : (own[axis - lead] ?? 0)));
}
