import { elementwise, type OpReference, type Reference } from '../reference.js';

const unary = (f: (x: number) => number) => (): Reference => elementwise(f);
const binary =
  (f: (a: number, b: number) => number) =>
  ({ scalar, swapped }: { scalar?: number; swapped?: boolean }): Reference =>
    scalar === undefined ? elementwise(f) : elementwise((x) => (swapped ? f(scalar, x) : f(x, scalar)));

/** 2/sqrt(pi) x (1 + 2x^2/3 + 4x^4/15 + ...) e^(-x^2): Abramowitz and Stegun 7.1.6, all terms positive. */
export function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** The nearest whole number, halves to the even one. */
function roundToEven(x: number): number {
  return Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
}

/** The ops of engine/ops/elementwise.ts. */
export const elementwiseReferences: Readonly<Record<string, OpReference>> = {
  neg: unary((x) => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  rsqrt: unary((x) => 1 / Math.sqrt(x)),
  reciprocal: unary((x) => 1 / x),
  square: unary((x) => x * x),
  abs: unary(Math.abs),
  sign: unary(Math.sign),
  relu: unary((x) => Math.max(x, 0)),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  tanh: unary(Math.tanh),
  log1p: unary(Math.log1p),
  expm1: unary(Math.expm1),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  erf: unary(erf),
  floor: unary(Math.floor),
  ceil: unary(Math.ceil),
  round: unary(roundToEven),
  isNaN: unary((x) => Number(Number.isNaN(x))),
  isFinite: unary((x) => Number(Number.isFinite(x))),
  logicalNot: unary((x) => Number(x === 0)),
  to: ({ dtype }: { dtype: string }) =>
    elementwise((x) => (dtype === 'bool' ? Number(x !== 0) : dtype === 'f32' ? x : Math.trunc(x))),
  toFloat: () => elementwise((x) => x),
  where: () => elementwise((condition, a, b) => (condition === 0 ? b : a)),
  clamp: ({ min = -Infinity, max = Infinity }: { min?: number; max?: number }) =>
    elementwise((x) => Math.min(Math.max(x, min), max)),
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  pow: binary((a, b) => a ** b),
  maximum: binary(Math.max),
  minimum: binary(Math.min),
  reluGrad: binary((a, b) => (b > 0 ? a : 0)),
  logicalAnd: binary((a, b) => Number(a !== 0 && b !== 0)),
  logicalOr: binary((a, b) => Number(a !== 0 || b !== 0)),
  eq: binary((a, b) => Number(a === b)),
  ne: binary((a, b) => Number(a !== b)),
  lt: binary((a, b) => Number(a < b)),
  le: binary((a, b) => Number(a <= b)),
  gt: binary((a, b) => Number(a > b)),
  ge: binary((a, b) => Number(a >= b)),
};
