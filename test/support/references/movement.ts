import { at, build, input, type OpReference } from '../reference.js';

interface SpanAttrs {
  shape: number[];
  spans: { start: number; count: number; step: number }[];
}

/** The ops of engine/ops/movement.ts. */
export const movementReferences: Readonly<Record<string, OpReference>> = {
  reshape:
    ({ shape }: { shape: number[] }) =>
    ([x]) => ({ shape, data: input(x).data }),
  permute:
    ({ axes }: { axes: number[] }) =>
    ([x]) =>
      build(
        axes.map((axis) => input(x).shape[axis] ?? 0),
        (index) =>
          at(
            input(x),
            axes.map((_, axis) => index[axes.indexOf(axis)] ?? 0),
          ),
      ),
  slice:
    ({ spans }: SpanAttrs) =>
    ([x]) =>
      build(
        spans.map((span) => span.count),
        (index) =>
          at(
            input(x),
            spans.map((span, axis) => span.start + (index[axis] ?? 0) * span.step),
          ),
      ),
  place:
    ({ spans, shape }: SpanAttrs) =>
    ([x]) =>
      build(shape, (index) => {
        const from = spans.map((span, axis) => ((index[axis] ?? 0) - span.start) / span.step);
        const inside = spans.every((span, axis) => {
          const position = from[axis] ?? -1;
          return Number.isInteger(position) && position >= 0 && position < span.count;
        });
        return inside ? at(input(x), from) : 0;
      }),
  concat:
    ({ axis }: { axis: number }) =>
    (inputs) => {
      const [first] = inputs;
      const total = inputs.reduce((sum, input) => sum + (input.shape[axis] ?? 0), 0);
      return build(input(first).shape.with(axis, total), (index) => {
        let position = index[axis] ?? 0;
        for (const input of inputs) {
          const size = input.shape[axis] ?? 0;
          if (position < size) return at(input, index.with(axis, position));
          position -= size;
        }
        return Number.NaN;
      });
    },
  expand:
    ({ shape }: { shape: number[] }) =>
    ([x]) =>
      build(shape, (index) => at(input(x), index)),
};
