import fc from 'fast-check';
import { anyShape, broadcastable, extent, filledShape, shapeAndAxis, type Drawing } from './shapes.js';

const reshape: Drawing = anyShape.chain((shape) => {
  const size = shape.reduce((product, each) => product * each, 1);
  return fc
    .shuffledSubarray(
      shape.map((_, axis) => axis),
      { minLength: shape.length },
    )
    .map((order) => ({ shapes: [shape], attrs: { shape: size === 1 ? [] : order.map((axis) => shape[axis] ?? 1) } }));
});

const permute: Drawing = anyShape.chain((shape) =>
  fc
    .shuffledSubarray(
      shape.map((_, axis) => axis),
      { minLength: shape.length },
    )
    .map((axes) => ({ shapes: [shape], attrs: { axes } })),
);

/** For each axis where a walk starts, how it steps and how many it takes. */
const spans = filledShape.chain((shape) =>
  fc
    .tuple(
      ...shape.map((size) =>
        fc
          .tuple(fc.integer({ min: 0, max: size - 1 }), fc.integer({ min: -3, max: 3 }), fc.nat())
          .map(([start, signed, draw]) => {
            const step = signed === 0 ? 1 : signed;
            const most = Math.floor((step > 0 ? size - 1 - start : start) / Math.abs(step)) + 1;
            return { start, step, count: draw % (most + 1) };
          }),
      ),
    )
    .map((walk) => ({ shape, spans: walk })),
);

const expand: Drawing = anyShape.chain((shape) =>
  broadcastable(shape).map((from) => ({ shapes: [from], attrs: { shape } })),
);

const concat: Drawing = fc
  .tuple(shapeAndAxis, fc.array(fc.oneof(extent, fc.constant(0)), { minLength: 1, maxLength: 3 }))
  .map(([{ shape, axis }, sizes]) => ({
    shapes: [shape, ...sizes.map((size) => shape.with(axis, size))],
    attrs: { axis },
  }));

/**
 * A shape and an index along one of its axes; `asIndexed` for what has the shape of the index, `along` for an index that is one
 * line for all.
 */
const indexed = (asIndexed: boolean, along = false): Drawing =>
  fc.tuple(shapeAndAxis, fc.integer({ min: 0, max: 8 })).map(([{ shape, axis }, count]) => {
    const [index, size] = [shape.with(axis, count), shape[axis] ?? 1];
    return {
      shapes: [asIndexed ? index : shape, along ? [count] : index],
      attrs: { axis, size },
      draws: [null, { dtype: 'i32', range: [0, size] }],
    };
  });

/** The ops of engine/ops/movement.ts and indexing.ts. */
export const movementArbitraries: Readonly<Record<string, Drawing>> = {
  reshape,
  permute,
  slice: spans.map((attrs) => ({ shapes: [attrs.shape], attrs })),
  place: spans.map((attrs) => ({ shapes: [attrs.spans.map(({ count }) => count)], attrs })),
  expand,
  concat,
  gather: indexed(false),
  scatterAdd: indexed(true),
  indexSelect: indexed(false, true),
  indexAdd: indexed(true, true),
};
