import { elementwise, type OpReference } from '../reference.js';
import { erf } from './elementwise.js';

/** The ops of engine/ops/activation.ts. */
export const activationReferences: Readonly<Record<string, OpReference>> = {
  leakyRelu: ({ negativeSlope }: { negativeSlope: number }) => elementwise((x) => (x > 0 ? x : negativeSlope * x)),
  elu: ({ alpha }: { alpha: number }) => elementwise((x) => (x > 0 ? x : alpha * Math.expm1(x))),
  gelu: ({ approximate }: { approximate: string }) =>
    elementwise((x) =>
      approximate === 'tanh'
        ? (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
        : (x / 2) * (1 + erf(x / Math.SQRT2)),
    ),
  silu: () => elementwise((x) => x / (1 + Math.exp(-x))),
  softplus: ({ beta, threshold }: { beta: number; threshold: number }) =>
    elementwise((x) => (beta * x > threshold ? x : Math.log1p(Math.exp(beta * x)) / beta)),
};
