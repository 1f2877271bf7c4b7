import fc from 'fast-check';
import { filledShape, shapeAndAxis, type Drawing } from './shapes.js';

const overAxes: Drawing = filledShape.chain((shape) =>
  fc
    .tuple(fc.subarray(shape.map((_, axis) => axis)), fc.boolean())
    .map(([axes, keepDim]) => ({ shapes: [shape], attrs: { axes, keepDim } })),
);

const alongAxis: Drawing = fc
  .tuple(shapeAndAxis, fc.boolean())
  .map(([{ shape, axis }, keepDim]) => ({ shapes: [shape], attrs: { axis, keepDim } }));

const sort: Drawing = fc
  .tuple(shapeAndAxis, fc.boolean())
  .map(([{ shape, axis }, descending]) => ({ shapes: [shape], attrs: { axis, descending } }));

const cumsum: Drawing = fc
  .tuple(shapeAndAxis, fc.boolean())
  .map(([{ shape, axis }, reverse]) => ({ shapes: [shape], attrs: { axis, reverse } }));

const softmax: Drawing = shapeAndAxis.map(({ shape, axis }) => ({ shapes: [shape], attrs: { axis } }));

/** The ops of engine/ops/reduce.ts, statistics.ts, sort.ts and softmax.ts. */
export const reduceArbitraries: Readonly<Record<string, Drawing>> = {
  sum: overAxes,
  mean: overAxes,
  max: overAxes,
  min: overAxes,
  argmax: alongAxis,
  argmin: alongAxis,
  cumsum,
  sort,
  softmax,
  logSoftmax: softmax,
  logSumExp: softmax,
};
