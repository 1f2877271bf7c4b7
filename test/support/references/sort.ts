import { at, build, input, type NdArray, type OpReference } from '../reference.js';

interface Attrs {
  readonly axis: number;
  readonly descending: boolean;
}

/** An array whose every line along `axis` is `pick` of the line's places in order. */
function ordered(x: NdArray, { axis, descending }: Attrs, pick: (value: number, place: number) => number): NdArray {
  const lines = new Map<string, number[]>();
  return build(x.shape, (index) => {
    const value = (place: number): number => at(x, index.with(axis, place));
    const key = index.with(axis, 0).join();
    // Arrays sort stably.
    const places =
      lines.get(key) ??
      Array.from({ length: x.shape[axis] ?? 0 }, (_, place) => place).sort((a, b) =>
        descending ? value(b) - value(a) : value(a) - value(b),
      );
    lines.set(key, places);
    const place = places[index[axis] ?? 0] ?? Number.NaN;
    return pick(value(place), place);
  });
}

/** The ops of engine/ops/sort.ts. */
export const sortReferences: Readonly<Record<string, OpReference>> = {
  sort: (attrs: Attrs) => [
    ([x]) => ordered(input(x), attrs, (value) => value),
    ([x]) => ordered(input(x), attrs, (_, place) => place),
  ],
};
