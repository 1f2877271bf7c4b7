import castSource from '../../shaders/cast.wgsl';
import selectSource from '../../shaders/select.wgsl';
import { isFloat, storageType, type DType } from '../dtype.js';
import { DTypeError } from '../errors.js';
import { defineKernel, strideWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, provideCast, type Op } from '../op.js';
import { broadcastShapes, broadcastStrides } from '../shape.js';
import { mergeAxes, spaceWords } from '../strided.js';
import type { Tensor } from '../tensor.js';
import { KIND_DTYPES, binary, type Operand } from './binary.js';
import { zeros, zerosLike } from './create.js';
import { sumToShape } from './movement.js';
import { UNARY_SAMPLES, dispatchUnary, unary, type NoAttrs } from './unary.js';

const castKernel = defineKernel({ name: 'cast', source: castSource, bindings: ['read', 'write'] });
const selectKernel = defineKernel({
  name: 'select',
  source: selectSource,
  bindings: ['read', 'read', 'read', 'write'],
});

/** Numbers that have a sign. */
const SIGNED = ['f32', 'i32'] as const;

/** Negation, -x. */
export const neg = unary('neg', { summary: 'Negation, -x.', dtypes: SIGNED, backward: (g) => neg(g) });
/** Exponential, e^x. */
export const exp = unary('exp', { summary: 'Exponential, e^x.', backward: (g, _, y) => mul(g, y) });
/** Natural logarithm; undefined for x <= 0. */
export const log = unary('log', {
  summary: 'Natural logarithm.',
  domain: [0.1, 4],
  backward: (g, x) => div(g, x),
});
/** Square root; undefined for x < 0. */
export const sqrt = unary('sqrt', {
  summary: 'Square root.',
  domain: [0.1, 4],
  backward: (g, _, y) => div(mul(g, 0.5), y),
});
/** Reciprocal square root, x^(-1/2); undefined for x <= 0. */
export const rsqrt = unary('rsqrt', {
  summary: 'Reciprocal square root, x^(-1/2).',
  domain: [0.2, 4],
  backward: (g, x, y) => mul(g, mul(div(y, x), -0.5)),
});
/** Reciprocal, 1/x; undefined at 0. */
export const reciprocal = unary('reciprocal', {
  summary: 'Reciprocal, 1/x.',
  domain: [0.2, 4],
  backward: (g, _, y) => neg(mul(g, mul(y, y))),
});
/** Square, x^2. */
export const square = unary('square', {
  summary: 'Square, x^2.',
  dtypes: KIND_DTYPES.number,
  backward: (g, x) => mul(g, mul(x, 2)),
});
/** Absolute value; its derivative at 0 is 0. */
export const abs = unary('abs', { summary: 'Absolute value.', dtypes: SIGNED, backward: (g, x) => mul(g, sign(x)) });
/** Sign: -1, 0 or 1; its derivative is 0 everywhere. */
export const sign = unary('sign', { summary: 'Sign: -1, 0 or 1.', dtypes: SIGNED, backward: (g) => zerosLike(g) });
/** max(x, 0); its derivative at 0 is 0. */
export const relu = unary('relu', { summary: 'Rectifier, max(x, 0).', backward: (g, _, y) => reluGrad(g, y) });
/** Logistic function, 1 / (1 + e^-x). */
export const sigmoid = unary('sigmoid', {
  summary: 'Logistic function, 1 / (1 + e^-x).',
  backward: (g, _, y) => mul(g, mul(y, sub(1, y))),
});
/** Hyperbolic tangent. */
export const tanh = unary('tanh', {
  summary: 'Hyperbolic tangent.',
  backward: (g, _, y) => mul(g, sub(1, mul(y, y))),
});
/** ln(1 + x), accurate near 0 too; undefined for x <= -1. */
export const log1p = unary('log1p', {
  summary: 'ln(1 + x), accurate near 0 too.',
  domain: [-0.9, 4],
  backward: (g, x) => div(g, add(x, 1)),
});
/** e^x - 1, accurate near 0 too. */
export const expm1 = unary('expm1', {
  summary: 'e^x - 1, accurate near 0 too.',
  backward: (g, _, y) => mul(g, add(y, 1)),
});
/** Sine of an angle in radians; within 2e-7 for |x| up to 10,000, worse beyond. */
export const sin = unary('sin', {
  summary: 'Sine of an angle in radians.',
  domain: [-8, 8],
  backward: (g, x) => mul(g, cos(x)),
});
/** Cosine of an angle in radians; within 2e-7 for |x| up to 10,000, worse beyond. */
export const cos = unary('cos', {
  summary: 'Cosine of an angle in radians.',
  domain: [-8, 8],
  backward: (g, x) => neg(mul(g, sin(x))),
});
/** The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x; within 3e-7 of it. */
export const erf = unary('erf', {
  summary: 'The error function.',
  domain: [-3, 3],
  backward: (g, x) => mul(g, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))),
});
/** The largest whole number that is not above x; its derivative is 0 everywhere. */
export const floor = unary('floor', {
  summary: 'The largest whole number that is not above x.',
  backward: (g) => zerosLike(g),
});
/** The smallest whole number that is not below x; its derivative is 0 everywhere. */
export const ceil = unary('ceil', {
  summary: 'The smallest whole number that is not below x.',
  backward: (g) => zerosLike(g),
});
/** The nearest whole number, halves to the even one; its derivative is 0 everywhere. */
export const round = unary('round', {
  summary: 'The nearest whole number, halves to the even one.',
  backward: (g) => zerosLike(g),
});
/** Whether each element is not a number, as bool, by its bits. */
export const isNaN = unary('isNaN', { summary: 'Whether x is not a number.', test: true, words: true });
/** Whether each element is neither infinite nor NaN, as bool, by its bits. */
export const isFinite = unary('isFinite', { summary: 'Whether x is a finite number.', test: true, words: true });
/** Negation of a bool tensor. */
export const logicalNot = unary('logicalNot', { summary: 'Whether x does not hold.', dtypes: ['bool'] });

/** a + b with broadcasting. Numbers stand for scalars in all binary ops. */
export const add = binary('add', { summary: 'Sum, a + b.', kind: 'number', backward: (g) => [() => g, () => g] });
/** a - b with broadcasting. */
export const sub = binary('sub', {
  summary: 'Difference, a - b.',
  kind: 'number',
  backward: (g) => [() => g, () => neg(g)],
});
/** a * b, elementwise, with broadcasting. */
export const mul = binary('mul', {
  summary: 'Product, a * b.',
  kind: 'number',
  backward: (g, a, b) => [() => mul(g, b), () => mul(g, a)],
});
/** a / b with broadcasting; integers truncate towards zero. */
export const div = binary('div', {
  summary: 'Quotient, a / b.',
  kind: 'number',
  domain: [0.3, 3],
  // Whole divisors are drawn without 0.
  dtypes: ['f32'],
  samples: (['i32', 'u32'] as const).map((dtype) => ({
    shapes: [[7, 3], [3]],
    attrs: {},
    draws: [
      { dtype, range: [dtype === 'i32' ? -20 : 0, 20] },
      { dtype, range: [1, 6] },
    ],
  })),
  backward: (g, a, b) => [() => div(g, b), () => neg(mul(g, div(div(a, b), b)))],
});
/** a^b with broadcasting; a negative base is right for integral exponents only. */
export const pow = binary('pow', {
  summary: 'Power, a^b.',
  kind: 'float',
  domain: [0.3, 3],
  backward: (g, a, b, y) => [
    () => mul(g, mul(pow(a, typeof b === 'number' ? b - 1 : sub(b, 1)), b)),
    () => mul(g, mul(y, logOf(a))),
  ],
});
/** The larger operand; equal operands share the gradient half and half, as in PyTorch. */
export const maximum = binary('maximum', {
  summary: 'The larger of a and b.',
  kind: 'number',
  backward: (g, a, b) => [() => mul(g, share(a, b)), () => mul(g, share(b, a))],
});
/** The smaller operand; equal operands share the gradient half and half, as in PyTorch. */
export const minimum = binary('minimum', {
  summary: 'The smaller of a and b.',
  kind: 'number',
  backward: (g, a, b) => [() => mul(g, share(b, a)), () => mul(g, share(a, b))],
});
/** The gradient of a ReLU: g where its result is above 0, which is where x is, else 0. */
const reluGrad = binary('reluGrad', {
  summary: 'The gradient of a ReLU: a where b > 0, else 0.',
  kind: 'float',
  backward: (g, _, b) => [() => reluGrad(g, b), () => zerosLike(g)],
});

/** a == b, as bool. */
export const eq = binary('eq', { summary: 'Whether a == b.', kind: 'comparison' });
/** a != b, as bool. */
export const ne = binary('ne', { summary: 'Whether a != b.', kind: 'comparison' });
/** a < b, as bool. */
export const lt = binary('lt', { summary: 'Whether a < b.', kind: 'comparison' });
/** a <= b, as bool. */
export const le = binary('le', { summary: 'Whether a <= b.', kind: 'comparison' });
/** a > b, as bool. */
export const gt = binary('gt', { summary: 'Whether a > b.', kind: 'comparison' });
/** a >= b, as bool. */
export const ge = binary('ge', { summary: 'Whether a >= b.', kind: 'comparison' });
/** Whether both of two bool tensors hold, with broadcasting. */
export const logicalAnd = binary('logicalAnd', { summary: 'Whether a and b hold.', kind: 'logical' });
/** Whether one of two bool tensors holds, or both, with broadcasting. */
export const logicalOr = binary('logicalOr', { summary: 'Whether a or b holds.', kind: 'logical' });

function logOf(a: Operand): Operand {
  return typeof a === 'number' ? Math.log(a) : log(a);
}

/** 1 where a > b, 1/2 where they are equal, else 0. */
function share(a: Operand, b: Operand): Tensor {
  return mul(add(to(gt(a, b), 'f32'), to(ge(a, b), 'f32')), 0.5);
}

interface CastAttrs {
  readonly dtype: DType;
}

const castOp = defineOp<CastAttrs>({
  name: 'to',
  summary: 'Conversion to another dtype; floats truncate towards zero, bool is 0 or 1.',
  domain: [-9, 9],
  dtypes: ['f32', 'i32', 'u32', 'bool'],
  samples: [
    ...(['f32', 'i32', 'bool'] as const).flatMap((dtype) =>
      UNARY_SAMPLES.map(({ shapes }) => ({ shapes, attrs: { dtype } })),
    ),
    // A negative float has no u32; a negative i32 wraps around.
    ...([0, -9] as const).map((low) => ({
      shapes: [[1031]],
      attrs: { dtype: 'u32' as const },
      draws: [{ dtype: low < 0 ? ('i32' as const) : ('f32' as const), range: [low, 9] as const }],
    })),
  ],
  infer: (inputs, { dtype }) => [{ shape: nth(inputs, 0).shape, dtype }],
  run: ({ inputs, outputs }) => {
    dispatchCast(nth(inputs, 0), nth(outputs, 0));
  },
});

function dispatchCast(x: Tensor, y: Tensor): void {
  if (x.size === 0) return;
  const vectors = Math.ceil(x.size / 4);
  x.device.dispatch({
    kernel: castKernel,
    constants: { T: storageType(x.dtype), R: storageType(y.dtype), TO_BOOL: y.dtype === 'bool' },
    buffers: [x.range, y.range],
    uniforms: [vectors],
    workgroups: strideWorkgroups(vectors, x.device.caps),
  });
}

interface FloatAttrs {
  readonly dtype: 'f32' | 'f16';
}

const castFloatOp: Op<FloatAttrs> = defineOp<FloatAttrs>({
  name: 'toFloat',
  summary: 'Conversion between f32 and f16.',
  dtypes: ['f32', 'f16'],
  samples: [[], [7], [0, 3], [1031]].map((shape) => ({
    shapes: [shape],
    attrs: { dtype: 'f16' as const },
    half: true,
  })),
  infer: (inputs, { dtype }) => [{ shape: nth(inputs, 0).shape, dtype }],
  run: ({ inputs, outputs }) => {
    dispatchCast(nth(inputs, 0), nth(outputs, 0));
  },
  backward: ({ grads, inputs }) => [to(nth(grads, 0), nth(inputs, 0).dtype)],
});

provideCast((x, dtype) => to(x, dtype));

/**
 * `x` as another dtype; gives `x` itself where it already has it. Floats round to f16, where more than 65,504 becomes anything, and
 * truncate to whole numbers. Gradients pass between f32 and f16, and nowhere else.
 */
export function to(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  if (isFloat(x.dtype) && isFloat(dtype)) return applyOne(castFloatOp, [x], { dtype });
  // f16 and whole numbers meet by way of f32.
  if (x.dtype === 'f16' || dtype === 'f16') return to(to(x, 'f32'), dtype);
  return applyOne(castOp, [x], { dtype });
}

const whereOp = defineOp<NoAttrs>({
  name: 'where',
  summary: 'a where the condition holds, else b.',
  dtypes: ['f32', 'i32', 'u32', 'bool'],
  samples: [
    [[7], [7], [7]],
    [[], [], []],
    [
      [2, 1, 3],
      [4, 1],
      [2, 4, 3],
    ],
    [[5, 1], [], [1, 3]],
    [[3], [0, 3], [1]],
    [[1031], [1], [1031]],
  ].map((shapes) => ({ shapes, attrs: {}, draws: [{ dtype: 'bool' as const, range: [0, 2] as const }] })),
  infer: (inputs) => {
    expectDType('where: condition', [nth(inputs, 0)], 'bool');
    const [, a, b] = inputs;
    if (a?.dtype !== b?.dtype) throw new DTypeError(`where: operands have dtypes ${a?.dtype} and ${b?.dtype}`);
    const shape = broadcastShapes('where', ...inputs.map((input) => input.shape));
    return [{ shape, dtype: nth(inputs, 1).dtype }];
  },
  run: ({ device, inputs, outputs }) => {
    const y = nth(outputs, 0);
    if (y.size === 0) return;
    const space = mergeAxes(
      'where',
      y.shape,
      inputs.map((input) => broadcastStrides(input.shape, y.shape)),
    );
    device.dispatch({
      kernel: selectKernel,
      constants: { RANK: space.shape.length },
      buffers: [...inputs, y].map((tensor) => tensor.range),
      uniforms: [y.size, 0, 0, 0, ...spaceWords(space)],
      workgroups: strideWorkgroups(y.size, device.caps),
    });
  },
  backward: ({ grads, inputs, needs }) => {
    const [g, condition] = [nth(grads, 0), nth(inputs, 0)];
    const part = (index: number, left: Tensor, right: Tensor): Tensor | undefined =>
      needs[index] ? sumToShape(where(condition, left, right), nth(inputs, index).shape) : undefined;
    const zero = zeros([], { device: g.device });
    return [undefined, part(1, g, zero), part(2, zero, g)];
  },
});

/** `a` where the bool tensor `condition` holds, else `b`; all three broadcast. */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return applyOne(whereOp, [condition, a, b], {});
}

/** Bounds of `clamp`; an absent one does not bind. */
export interface ClampOptions {
  readonly min?: number;
  readonly max?: number;
}

const clampOp = defineOp<ClampOptions>({
  name: 'clamp',
  summary: 'min(max(x, lower), upper).',
  samples: [
    { shapes: [[7]], attrs: { min: -0.5, max: 0.75 } },
    { shapes: [[2, 3]], attrs: { max: 0.5 } },
    { shapes: [[]], attrs: { min: -1 } },
    { shapes: [[0, 3]], attrs: { min: -1, max: 1 } },
    { shapes: [[1031]], attrs: { min: -1, max: 1 } },
    { shapes: [[7]], attrs: {} },
  ],
  infer: (inputs) => {
    expectDType('clamp', inputs, 'f32');
    return [{ shape: nth(inputs, 0).shape, dtype: 'f32' }];
  },
  run: ({ inputs, outputs, attrs }) => {
    dispatchUnary('clamp', nth(inputs, 0), nth(outputs, 0), {
      attributes: [attrs.min ?? -LARGEST, attrs.max ?? LARGEST],
    });
  },
  backward: ({ grads, inputs, attrs }) => {
    const x = nth(inputs, 0);
    const inside = mul(to(ge(x, attrs.min ?? -LARGEST), 'f32'), to(le(x, attrs.max ?? LARGEST), 'f32'));
    return [mul(nth(grads, 0), inside)];
  },
});

/** The largest f32: bounds that do not bind, without forming an infinity. */
const LARGEST = 3.4028234663852886e38;

/** min(max(x, options.min), options.max). The gradient passes where x is within the bounds, ends included. */
export function clamp(x: Tensor, options: ClampOptions): Tensor {
  return applyOne(clampOp, [x], options);
}
