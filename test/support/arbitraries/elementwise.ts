import fc from 'fast-check';
import { anyShape, broadcastable, type Drawing } from './shapes.js';

/** Where rounding, signs and rectifiers have their steps and kinks. */
const HALVES = Array.from({ length: 21 }, (_, index) => (index - 10) / 2);

const unary: Drawing = anyShape.map((shape) => ({ shapes: [shape], attrs: {}, kinks: HALVES }));

const number = fc.integer({ min: -24, max: 24 }).map((eighths) => eighths / 8 + 0.0123);

const positive = fc.integer({ min: 1, max: 24 }).map((eighths) => eighths / 8 + 0.0123);

const broadcast: Drawing = anyShape.chain((shape) =>
  fc
    .tuple(broadcastable(shape), fc.boolean())
    .map(([other, swap]) => ({ shapes: swap ? [other, shape] : [shape, other], attrs: {}, apart: true })),
);

function binary(scalar: fc.Arbitrary<number> = number): Drawing {
  const withScalar: Drawing = fc
    .tuple(anyShape, scalar, fc.boolean())
    .map(([shape, value, swapped]) => ({ shapes: [shape], attrs: { scalar: value, swapped }, kinks: [0, value] }));
  return fc.oneof(broadcast, withScalar);
}

const clamp: Drawing = fc
  .tuple(anyShape, number, positive)
  .map(([shape, min, width]) => ({ shapes: [shape], attrs: { min, max: min + width }, kinks: [min, min + width] }));

const names = (list: string, drawing: Drawing): [string, Drawing][] => list.split(' ').map((name) => [name, drawing]);

const flags = { dtype: 'bool', range: [0, 2] } as const;

const logical = (drawing: Drawing): Drawing =>
  drawing.map((call) => ({ ...call, draws: call.shapes.map(() => flags) }));

const where: Drawing = anyShape.chain((shape) =>
  fc
    .tuple(broadcastable(shape), broadcastable(shape))
    .map(([condition, other]) => ({ shapes: [condition, shape, other], attrs: {}, draws: [flags, null, null] })),
);

const to: Drawing = fc
  .tuple(anyShape, fc.constantFrom('i32', 'bool'))
  .map(([shape, dtype]) => ({ shapes: [shape], attrs: { dtype }, kinks: HALVES }));

const withAttrs = (...choices: readonly (Readonly<Record<string, unknown>> & { readonly kink?: number })[]): Drawing =>
  fc
    .tuple(anyShape, fc.constantFrom(...choices))
    .map(([shape, { kink = 0, ...attrs }]) => ({ shapes: [shape], attrs, kinks: [kink] }));

/** The ops of engine/ops/elementwise.ts and activation.ts. */
export const elementwiseArbitraries: Readonly<Record<string, Drawing>> = Object.fromEntries([
  ...names(
    'neg exp log sqrt rsqrt reciprocal square abs sign relu sigmoid tanh log1p expm1 sin cos erf floor ceil round isNaN isFinite',
    unary,
  ),
  ...names('add sub mul maximum minimum reluGrad eq ne lt le gt ge', binary()),
  ...names('div pow', binary(positive)),
  ['clamp', clamp],
  ['to', to],
  // To f32, which every adapter has.
  ['toFloat', withAttrs({ dtype: 'f32' })],
  ['where', where],
  ['logicalNot', logical(unary)],
  ...names('logicalAnd logicalOr', logical(broadcast)),
  ['leakyRelu', withAttrs({ negativeSlope: 0.01 }, { negativeSlope: 0.7 })],
  ['elu', withAttrs({ alpha: 1 }, { alpha: 0.3 })],
  ['gelu', withAttrs({ approximate: 'none' }, { approximate: 'tanh' })],
  ['silu', unary],
  ['softplus', withAttrs({ beta: 1, threshold: 20 }, { beta: 2.5, threshold: 4, kink: 1.6 })],
]);
