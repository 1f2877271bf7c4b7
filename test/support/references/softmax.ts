import { at, build, input, type NdArray, type OpReference } from '../reference.js';

interface Attrs {
  readonly axis: number;
}

/** ln sum exp of each line along `axis`, the largest term taken out, as a function of an index on that line. */
function lineLogSum(x: NdArray, axis: number): (index: readonly number[]) => number {
  const sums = new Map<string, number>();
  return (index) => {
    const key = index.with(axis, 0).join();
    const known = sums.get(key);
    if (known !== undefined) return known;
    const line = Array.from({ length: x.shape[axis] ?? 0 }, (_, k) => at(x, index.with(axis, k)));
    const largest = line.reduce((a, b) => Math.max(a, b));
    const sum = largest + Math.log(line.reduce((total, value) => total + Math.exp(value - largest), 0));
    sums.set(key, sum);
    return sum;
  };
}

/** ln softmax along an axis. */
export function logProbabilities(x: NdArray, axis: number): NdArray {
  const sum = lineLogSum(x, axis);
  return build(x.shape, (index) => at(x, index) - sum(index));
}

/** The ops of engine/ops/softmax.ts. */
export const softmaxReferences: Readonly<Record<string, OpReference>> = {
  softmax:
    ({ axis }: Attrs) =>
    ([x]) => {
      const { shape, data } = logProbabilities(input(x), axis);
      return { shape, data: data.map(Math.exp) };
    },
  logSoftmax:
    ({ axis }: Attrs) =>
    ([x]) =>
      logProbabilities(input(x), axis),
  logSumExp:
    ({ axis }: Attrs) =>
    ([x]) => {
      const sum = lineLogSum(input(x), axis);
      return build(input(x).shape.toSpliced(axis, 1), (index) => sum(index.toSpliced(axis, 0, 0)));
    },
};
