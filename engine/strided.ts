import { ShapeError } from './errors.js';
import { formatShape, type Shape } from './shape.js';

/** Axes that the strided kernels' uniform blocks can hold. */
const MAX_AXES = 8;

/** An index space and the strides of each operand along it, with as few axes as possible. */
export interface StridedSpace {
  readonly shape: readonly number[];
  /** One list of strides per operand. */
  readonly strides: readonly (readonly number[])[];
}

/** Merges neighbouring axes wherever every operand steps through them as through one, and drops axes of size 1. */
export function mergeAxes(op: string, shape: Shape, strides: readonly (readonly number[])[]): StridedSpace {
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const joins = last >= 0 && strides.every((own, operand) => merged[operand]?.[last] === (own[axis] ?? 0) * size);
    if (joins) {
      sizes[last] = (sizes[last] ?? 1) * size;
      strides.forEach((own, operand) => merged[operand]?.splice(last, 1, own[axis] ?? 0));
    } else {
      sizes.push(size);
      strides.forEach((own, operand) => merged[operand]?.push(own[axis] ?? 0));
    }
  });
  if (sizes.length > MAX_AXES) {
    throw new ShapeError(
      `${op}: shape ${formatShape(shape)} has ${sizes.length} axes that do not merge; at most ${MAX_AXES} are supported`,
    );
  }
  return { shape: sizes, strides: merged };
}

/** The uniform words of a space: the shape and then each operand's strides, eight words each. */
export function spaceWords(space: StridedSpace): number[] {
  return [space.shape, ...space.strides].flatMap((list) =>
    Array.from({ length: MAX_AXES }, (_, axis) => (list[axis] ?? 0) >>> 0),
  );
}
