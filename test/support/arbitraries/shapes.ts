import fc from 'fast-check';
import type { InputDraw } from '../../../engine/index.js';

/** What a property draws for an op: the shapes of its inputs, its attributes, and the values of inputs that are no f32. */
export interface DrawnCall {
  readonly shapes: readonly (readonly number[])[];
  readonly attrs: unknown;
  readonly draws?: readonly (InputDraw | null)[];
  /** Where the op is not smooth in its first input: no value comes near, for differences across a kink are no derivatives. */
  readonly kinks?: readonly number[];
  /** It is not smooth where two inputs are equal: no element of one comes near one of another. */
  readonly apart?: boolean;
}

/** What an op is drawn from. */
export type Drawing = fc.Arbitrary<DrawnCall>;

export const extent = fc.integer({ min: 1, max: 7 });

/** Shapes of few elements: of any rank up to 4, now and then with an axis of size 0. */
export const anyShape = fc.oneof(
  { weight: 12, arbitrary: fc.array(extent, { maxLength: 4 }).filter(isSmall) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: 500, max: 2100 }).map((size) => [size]) },
);

/** Shapes of at least one axis, none of them empty. */
export const filledShape = fc.array(extent, { minLength: 1, maxLength: 4 }).filter(isSmall);

function isSmall(shape: readonly number[]): boolean {
  return shape.reduce((product, size) => product * size, 1) <= 200;
}

/** A shape with one of its axes. */
export const shapeAndAxis = filledShape.chain((shape) =>
  fc.integer({ min: 0, max: shape.length - 1 }).map((axis) => ({ shape, axis })),
);

/** A shape that broadcasts to `shape`: leading axes dropped, others shrunk to 1. */
export function broadcastable(shape: readonly number[]): fc.Arbitrary<number[]> {
  return fc
    .tuple(
      fc.integer({ min: 0, max: shape.length }),
      fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
    )
    .map(([dropped, shrunk]) => shape.map((size, axis) => (shrunk[axis] ? 1 : size)).slice(dropped));
}
