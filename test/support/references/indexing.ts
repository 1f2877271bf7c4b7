import { at, build, forEachIndex, input, sizeOf, type OpReference } from '../reference.js';

interface Attrs {
  readonly axis: number;
  readonly size: number;
}

/** The ops of engine/ops/indexing.ts. */
export const indexingReferences: Readonly<Record<string, OpReference>> = {
  gather:
    ({ axis }: Attrs) =>
    ([x, index]) =>
      build(input(index).shape, (place) => at(input(x), place.with(axis, at(input(index), place)))),
  scatterAdd:
    ({ axis, size }: Attrs) =>
    ([x, index]) => {
      const shape = input(x).shape.with(axis, size);
      const sums = new Float64Array(sizeOf(shape));
      forEachIndex(input(x).shape, (place) => {
        const to = place.with(axis, at(input(index), place));
        const flat = shape.reduce((offset, extent, k) => offset * extent + (to[k] ?? 0), 0);
        sums[flat] = (sums[flat] ?? 0) + at(input(x), place);
      });
      return { shape, data: sums };
    },
};
