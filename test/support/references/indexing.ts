import { at, build, forEachIndex, input, sizeOf, type NdArray, type OpReference } from '../reference.js';

interface Attrs {
  readonly axis: number;
  readonly size: number;
}

/** Slices of `x` added up at the places along `axis` that `placeOf` gives, of which there are `size`. */
function addUp(x: NdArray, { axis, size }: Attrs, placeOf: (place: readonly number[]) => number): NdArray {
  const shape = x.shape.with(axis, size);
  const sums = new Float64Array(sizeOf(shape));
  forEachIndex(x.shape, (place) => {
    const to = place.with(axis, placeOf(place));
    const flat = shape.reduce((offset, extent, k) => offset * extent + (to[k] ?? 0), 0);
    sums[flat] = (sums[flat] ?? 0) + at(x, place);
  });
  return { shape, data: sums };
}

/** The ops of engine/ops/indexing.ts. */
export const indexingReferences: Readonly<Record<string, OpReference>> = {
  gather:
    ({ axis }: Attrs) =>
    ([x, index]) =>
      build(input(index).shape, (place) => at(input(x), place.with(axis, at(input(index), place)))),
  scatterAdd:
    (attrs: Attrs) =>
    ([x, index]) =>
      addUp(input(x), attrs, (place) => at(input(index), place)),
  indexSelect:
    ({ axis }: Attrs) =>
    ([x, index]) => {
      const from = (place: readonly number[]): number => at(input(index), place.slice(axis, axis + 1));
      return build(input(x).shape.with(axis, sizeOf(input(index).shape)), (place) =>
        at(input(x), place.with(axis, from(place))),
      );
    },
  indexAdd:
    (attrs: Attrs) =>
    ([x, index]) =>
      addUp(input(x), attrs, (place) => at(input(index), place.slice(attrs.axis, attrs.axis + 1))),
};
