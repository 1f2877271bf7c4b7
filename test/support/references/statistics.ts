import { input, type OpReference } from '../reference.js';

/** The ops of engine/ops/statistics.ts. */
export const statisticsReferences: Readonly<Record<string, OpReference>> = {
  cumsum:
    ({ axis, reverse }: { axis: number; reverse: boolean }) =>
    ([x]) => {
      const { shape, data } = input(x);
      const count = shape[axis] ?? 0;
      const stride = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
      const sums = new Float64Array(data.length);
      for (let step = 0; step < data.length; step++) {
        const flat = reverse ? data.length - 1 - step : step;
        const starts = Math.floor(flat / stride) % count === (reverse ? count - 1 : 0);
        const before = starts ? 0 : (sums[flat + (reverse ? stride : -stride)] ?? Number.NaN);
        sums[flat] = before + (data[flat] ?? Number.NaN);
      }
      return { shape, data: sums };
    },
};
