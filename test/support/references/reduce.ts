import { build, forEachIndex, type OpReference, type Reference } from '../reference.js';

interface Attrs {
  readonly axes: readonly number[];
  readonly keepDim: boolean;
}

/** A reduction by its definition: `combine` of the elements that share all kept coordinates, in row-major order. */
function reducing(combine: (values: number[]) => number, { axes, keepDim }: Attrs): Reference {
  return ([x]) => {
    if (!x) throw new RangeError('a reduction takes one input');
    const groups = new Map<string, number[]>();
    const coordinates = (index: readonly number[]): number[] =>
      index.flatMap((at, axis) => (axes.includes(axis) ? (keepDim ? [0] : []) : [at]));
    forEachIndex(x.shape, (index, flat) => {
      const key = coordinates(index).join();
      const group = groups.get(key) ?? [];
      group.push(x.data[flat] ?? Number.NaN);
      groups.set(key, group);
    });
    const shape = x.shape.flatMap((size, axis) => (axes.includes(axis) ? (keepDim ? [1] : []) : [size]));
    return build(shape, (index) => combine(groups.get(index.join()) ?? []));
  };
}

const total = (values: number[]): number => values.reduce((a, b) => a + b, 0);
const average = (values: number[]): number => total(values) / values.length;
const largest = (values: number[]): number => values.reduce((a, b) => Math.max(a, b));
const smallest = (values: number[]): number => values.reduce((a, b) => Math.min(a, b));

const along = (combine: (values: number[]) => number) => (attrs: Attrs) => reducing(combine, attrs);

const whereIs =
  (extremum: (values: number[]) => number) =>
  ({ axis, keepDim }: { axis: number; keepDim: boolean }) =>
    reducing((values) => values.indexOf(extremum(values)), { axes: [axis], keepDim });

/** The ops of engine/ops/reduce.ts. */
export const reduceReferences: Readonly<Record<string, OpReference>> = {
  sum: along(total),
  mean: along(average),
  max: along(largest),
  min: along(smallest),
  argmax: whereIs(largest),
  argmin: whereIs(smallest),
};
