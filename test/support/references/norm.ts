import { at, build, forEachIndex, input, type NdArray, type OpReference } from '../reference.js';

interface Attrs {
  readonly eps: number;
}

/** Mean and biased variance of each channel of `[N, C, H, W]`, in two passes. */
export function channelStatistics(x: NdArray): { mean: number[]; variance: number[] } {
  const [, channels = 0] = x.shape;
  const count = x.data.length / channels;
  const average = (value: (flat: number, c: number) => number): number[] => {
    const sums = new Array<number>(channels).fill(0);
    forEachIndex(x.shape, ([, c = 0], flat) => {
      sums[c] = (sums[c] ?? 0) + value(flat, c);
    });
    return sums.map((sum) => sum / count);
  };
  const mean = average((flat) => x.data[flat] ?? Number.NaN);
  return { mean, variance: average((flat, c) => ((x.data[flat] ?? Number.NaN) - (mean[c] ?? 0)) ** 2) };
}

/** (x - mean) / sqrt(variance + eps) * gamma + beta, of the inputs x, gamma, beta. */
export function normalise(
  inputs: readonly (NdArray | undefined)[],
  mean: ArrayLike<number>,
  variance: ArrayLike<number>,
  eps: number,
): NdArray {
  const [x, gamma, beta] = [input(inputs[0]), input(inputs[1]), input(inputs[2])];
  return build(x.shape, (index) => {
    const c = index[1] ?? 0;
    const xhat = (at(x, index) - (mean[c] ?? 0)) / Math.sqrt((variance[c] ?? 0) + eps);
    return xhat * at(gamma, [c]) + at(beta, [c]);
  });
}

/** The ops of engine/ops/norm.ts. */
export const normReferences: Readonly<Record<string, OpReference>> = {
  batchNorm2dTrain:
    ({ eps }: Attrs) =>
    (inputs) => {
      const { mean, variance } = channelStatistics(input(inputs[0]));
      return normalise(inputs, mean, variance, eps);
    },
  batchNorm2dEval:
    ({ eps }: Attrs) =>
    (inputs) =>
      normalise(inputs, input(inputs[3]).data, input(inputs[4]).data, eps),
};
