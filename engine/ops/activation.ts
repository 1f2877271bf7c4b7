import { ArgumentError } from '../errors.js';
import { applyOne, defineOp, expectDType, nth, type Op, type OpSample } from '../op.js';
import type { Tensor } from '../tensor.js';
import { add, clamp, erf, exp, gt, mul, sigmoid, square, sub, tanh, where } from './elementwise.js';
import { dispatchUnary } from './unary.js';

/** Scalar, one, a prime, zero-size, several axes, more than a workgroup. */
const SHAPES = [[], [1], [7], [0, 3], [2, 3, 5], [1031]];

interface ActivationRow<A> {
  readonly summary: string;
  /** The attributes that the samples go through. */
  readonly attrs: readonly A[];
  /** The function in `shaders/elementwise.wgsl`, and what it takes. */
  readonly kernel: (attrs: A) => readonly [op: string, ...attributes: number[]];
  /** The derivative times the upstream gradient `g`, at input `x` with output `y`. */
  readonly backward: (g: Tensor, x: Tensor, y: Tensor, attrs: A) => Tensor;
}

function activation<A>(name: string, row: ActivationRow<A>): Op<A> {
  const samples = row.attrs.flatMap((attrs): OpSample<A>[] => SHAPES.map((shape) => ({ shapes: [shape], attrs })));
  return defineOp<A>({
    name,
    summary: row.summary,
    domain: [-4, 4],
    samples,
    infer: (inputs) => {
      expectDType(name, inputs, 'f32');
      return [{ shape: nth(inputs, 0).shape, dtype: 'f32' }];
    },
    run: ({ inputs, outputs, attrs }) => {
      const [op, ...attributes] = row.kernel(attrs);
      dispatchUnary(op, nth(inputs, 0), nth(outputs, 0), { attributes });
    },
    backward: ({ grads, inputs, outputs, attrs }) => [
      row.backward(nth(grads, 0), nth(inputs, 0), nth(outputs, 0), attrs),
    ],
  });
}

interface LeakyReluAttrs {
  readonly negativeSlope: number;
}

const leakyReluOp = activation<LeakyReluAttrs>('leakyRelu', {
  summary: 'x where x > 0, else a small multiple of it.',
  attrs: [{ negativeSlope: 0.01 }, { negativeSlope: 0.5 }],
  kernel: ({ negativeSlope }) => ['leakyRelu', negativeSlope],
  backward: (g, x, _, { negativeSlope }) => where(gt(x, 0), g, mul(g, negativeSlope)),
});

/** x where x > 0, else `negativeSlope` (0.01 by default) times x; the derivative at 0 is that slope, as in PyTorch. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  return applyOne(leakyReluOp, [x], { negativeSlope });
}

interface EluAttrs {
  readonly alpha: number;
}

const eluOp = activation<EluAttrs>('elu', {
  summary: 'x where x > 0, else alpha (e^x - 1).',
  attrs: [{ alpha: 1 }, { alpha: 0.3 }],
  kernel: ({ alpha }) => ['elu', alpha],
  // Cut off above 0, the exponential stays finite where it is not chosen.
  backward: (g, x, _, { alpha }) => where(gt(x, 0), g, mul(g, mul(exp(clamp(x, { max: 0 })), alpha))),
});

/** x where x > 0, else `alpha` (1 by default) times e^x - 1; the derivatives at 0 are those from below, as in PyTorch. */
export function elu(x: Tensor, alpha = 1): Tensor {
  return applyOne(eluOp, [x], { alpha });
}

/** sqrt(2/pi) and the cubic's coefficient of GELU's approximation. */
const ROOT = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

interface GeluAttrs {
  readonly approximate: 'none' | 'tanh';
}

const geluOp = activation<GeluAttrs>('gelu', {
  summary: 'Gaussian error linear unit, x times the normal distribution function of x.',
  attrs: [{ approximate: 'none' }, { approximate: 'tanh' }],
  kernel: ({ approximate }) => [approximate === 'tanh' ? 'geluTanh' : 'gelu'],
  backward: (g, x, _, { approximate }) => {
    const squared = square(x);
    if (approximate === 'none') {
      const below = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
      const density = mul(exp(mul(squared, -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return mul(g, add(below, mul(x, density)));
    }
    const t = tanh(mul(mul(x, add(mul(squared, CUBIC), 1)), ROOT));
    const slope = mul(add(mul(squared, 3 * CUBIC), 1), ROOT);
    return mul(g, mul(add(add(t, 1), mul(mul(x, sub(1, square(t))), slope)), 0.5));
  },
});

/** Options of `gelu`. */
export interface GeluOptions {
  /** 'tanh' replaces the distribution function by (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2; 'none' by default. */
  readonly approximate?: 'none' | 'tanh';
}

/** x Phi(x) with the distribution function Phi of the standard normal: Hendrycks and Gimpel, arXiv:1606.08415. */
export function gelu(x: Tensor, { approximate = 'none' }: GeluOptions = {}): Tensor {
  return applyOne(geluOp, [x], { approximate });
}

const siluOp = activation<Readonly<Record<string, never>>>('silu', {
  summary: 'x times the logistic function of x.',
  attrs: [{}],
  kernel: () => ['silu'],
  backward: (g, x, y) => {
    const s = sigmoid(x);
    return mul(g, add(s, mul(y, sub(1, s))));
  },
});

/** x / (1 + e^-x), also called swish. */
export function silu(x: Tensor): Tensor {
  return applyOne(siluOp, [x], {});
}

interface SoftplusAttrs {
  readonly beta: number;
  readonly threshold: number;
}

const softplusOp = activation<SoftplusAttrs>('softplus', {
  summary: 'Smooth rectifier, ln(1 + e^(beta x)) / beta.',
  attrs: [
    { beta: 1, threshold: 20 },
    { beta: 2.5, threshold: 4 },
  ],
  kernel: ({ beta, threshold }) => ['softplus', beta, threshold],
  backward: (g, x, _, { beta, threshold }) => {
    const z = mul(x, beta);
    return where(gt(z, threshold), g, mul(g, sigmoid(z)));
  },
});

/** Options of `softplus`. */
export interface SoftplusOptions {
  /** 1 by default. */
  readonly beta?: number;
  /** Where beta x is above this, the result is x; 20 by default. */
  readonly threshold?: number;
}

/** ln(1 + e^(beta x)) / beta, as PyTorch's. Throws an `ArgumentError` for a beta of 0. */
export function softplus(x: Tensor, { beta = 1, threshold = 20 }: SoftplusOptions = {}): Tensor {
  if (beta === 0) throw new ArgumentError('softplus: beta = 0; expected any other number');
  return applyOne(softplusOp, [x], { beta, threshold });
}
