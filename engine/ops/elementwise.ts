import binarySource from '../../shaders/binary.wgsl';
import castSource from '../../shaders/cast.wgsl';
import functions from '../../shaders/elementwise.wgsl';
import selectSource from '../../shaders/select.wgsl';
import { float, isFloat, storageType, type DType } from '../dtype.js';
import { ArgumentError, DTypeError } from '../errors.js';
import { defineKernel, strideWorkgroups, type Dispatch, type ElementwiseArgument } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, provideCast, type BackwardRule, type Op, type OpSample } from '../op.js';
import { broadcastShapes, broadcastStrides, sameShape } from '../shape.js';
import { mergeAxes, spaceWords, type StridedSpace } from '../strided.js';
import type { Tensor } from '../tensor.js';
import { zeros, zerosLike } from './create.js';
import { sumToShape } from './movement.js';
import { dispatchUnary } from './unary.js';

const source = functions + binarySource;
const binaryKernel = defineKernel({ name: 'binary', source, bindings: ['read', 'read', 'write'] });
const scalarKernel = defineKernel({ name: 'binary', source, bindings: ['read', 'write'] });
const castKernel = defineKernel({ name: 'cast', source: castSource, bindings: ['read', 'write'] });
const selectKernel = defineKernel({
  name: 'select',
  source: selectSource,
  bindings: ['read', 'read', 'read', 'write'],
});

/** Attributes of an op that has none. */
export type NoAttrs = Readonly<Record<string, never>>;

/** Shapes that every elementwise op is tested on: scalar, one, primes, zero-size, more than a workgroup. */
const UNARY_SAMPLES = [[], [1], [7], [0, 3], [2, 3, 5], [1031]].map((shape) => ({ shapes: [shape], attrs: {} }));

interface UnaryRow {
  readonly summary: string;
  readonly domain?: readonly [number, number];
  /** What the operand may hold; f32 only by default. */
  readonly dtypes?: readonly DType[];
  /** The result is bool; else it has the operand's type. */
  readonly test?: boolean;
  /** The kernel reads the elements as raw words. */
  readonly words?: boolean;
  /** The derivative times the upstream gradient `g`, at input `x` with output `y`. */
  readonly backward?: (g: Tensor, x: Tensor, y: Tensor) => Tensor;
}

function unary(name: string, row: UnaryRow): (x: Tensor) => Tensor {
  const { summary, domain, dtypes = ['f32'], test = false, words = false, backward } = row;
  const op = defineOp<NoAttrs>({
    name,
    summary,
    samples: UNARY_SAMPLES,
    dtypes,
    ...(domain ? { domain } : {}),
    infer: (inputs) => {
      expectDType(name, inputs, ...dtypes);
      const { shape, dtype } = nth(inputs, 0);
      return [{ shape, dtype: test ? 'bool' : dtype }];
    },
    run: ({ inputs, outputs }) => {
      dispatchUnary(name, nth(inputs, 0), nth(outputs, 0), { words });
    },
    ...(backward
      ? { backward: ({ grads, inputs, outputs }) => [backward(nth(grads, 0), nth(inputs, 0), nth(outputs, 0))] }
      : {}),
  });
  return (x) => applyOne(op, [x], {});
}

interface BinaryAttrs {
  /** Stands in for the missing operand where only one tensor is given. */
  readonly scalar?: number;
  /** The scalar is the first operand. */
  readonly swapped?: boolean;
}

interface BinaryRow {
  readonly summary: string;
  readonly domain?: readonly [number, number];
  /** f32 only, any number type with the operands' type as the result, any type with a bool result, or bool only. */
  readonly kind: Kind;
  /** What the samples without draws of their own hold; all that `kind` allows by default. */
  readonly dtypes?: readonly DType[];
  /** Samples beside the usual ones. */
  readonly samples?: readonly OpSample<BinaryAttrs>[];
  /** The gradients of both operands, not yet summed over broadcast axes. */
  readonly backward?: (g: Tensor, a: Operand, b: Operand, y: Tensor) => [() => Tensor, () => Tensor];
}

type Kind = 'float' | 'number' | 'comparison' | 'logical';

const KIND_DTYPES: Readonly<Record<Kind, readonly DType[]>> = {
  float: ['f32'],
  number: ['f32', 'i32', 'u32'],
  comparison: ['f32', 'i32', 'u32', 'bool'],
  logical: ['bool'],
};

/** An operand of a binary op. */
export type Operand = Tensor | number;

const BINARY_SAMPLES: readonly OpSample<BinaryAttrs>[] = [
  { shapes: [[7], [7]], attrs: {} },
  {
    shapes: [
      [2, 3, 1, 5],
      [3, 4, 1],
    ],
    attrs: {},
  },
  { shapes: [[], [2, 3]], attrs: {} },
  { shapes: [[0, 3], [3]], attrs: {} },
  { shapes: [[1031], [1]], attrs: {} },
  // A whole number, for all dtypes.
  { shapes: [[5, 3]], attrs: { scalar: 2 } },
  { shapes: [[5, 3]], attrs: { scalar: 2, swapped: true } },
];

function binary(name: string, row: BinaryRow): (a: Operand, b: Operand) => Tensor {
  const op = defineOp<BinaryAttrs>({
    name,
    summary: row.summary,
    samples: [...BINARY_SAMPLES, ...(row.samples ?? [])],
    dtypes: row.dtypes ?? KIND_DTYPES[row.kind],
    ...(row.domain ? { domain: row.domain } : {}),
    infer: (inputs) => {
      const dtype = commonDType(name, inputs, row.kind);
      return [{ shape: broadcastShapes(name, ...inputs.map((input) => input.shape)), dtype }];
    },
    run: ({ device, inputs, outputs, attrs }) => {
      const y = nth(outputs, 0);
      if (y.size > 0) device.dispatch(binaryDispatch(name, inputs, y, attrs));
    },
    ...(row.backward ? { backward: binaryBackward(row.backward) } : {}),
  });
  return (a, b) => {
    if (typeof a !== 'number')
      return typeof b === 'number' ? applyOne(op, [a], { scalar: b }) : applyOne(op, [a, b], {});
    if (typeof b === 'number')
      throw new ArgumentError(`${name}: both operands are numbers; at least one must be a tensor`);
    return applyOne(op, [b], { scalar: a, swapped: true });
  };
}

function binaryDispatch(name: string, inputs: readonly Tensor[], y: Tensor, attrs: BinaryAttrs): Dispatch {
  const [a, b] = [nth(inputs, 0), inputs[1]];
  const types = { OP: name, T: storageType(a.dtype), R: storageType(y.dtype) };
  const { caps } = y.device;
  const vectors = Math.ceil(y.size / 4);
  const shared = { label: name, reusable: 'settled' } as const;
  const flat = { ...shared, uniforms: [vectors], workgroups: strideWorkgroups(vectors, caps) };
  const floats = a.dtype === 'f32' && y.dtype === 'f32';
  const elementwise = (list: readonly ElementwiseArgument[]) =>
    floats && { elementwise: { function: name, arguments: list, vectors } };
  if (!b) {
    const scalar = attrs.scalar ?? 0;
    const both: ElementwiseArgument[] = [
      { kind: 'vector', binding: 0 },
      { kind: 'scalar', word: float(scalar) },
    ];
    return {
      ...flat,
      kernel: scalarKernel,
      constants: { ...types, MODE: 'scalar', FLAT: true, SWAPPED: attrs.swapped ?? false },
      buffers: [a.range, y.range],
      uniforms: [vectors, a.dtype === 'f32' ? float(scalar) : scalar >>> 0],
      ...elementwise(attrs.swapped ? both.toReversed() : both),
    };
  }
  const buffers = [a.range, b.range, y.range];
  if (sameShape(a.shape, b.shape)) {
    return {
      ...{ ...flat, kernel: binaryKernel, constants: { ...types, MODE: 'same', FLAT: true }, buffers },
      ...elementwise([0, 1].map((binding) => ({ kind: 'vector', binding }))),
    };
  }
  const space = mergeAxes(name, y.shape, [broadcastStrides(a.shape, y.shape), broadcastStrides(b.shape, y.shape)]);
  const rows = rowsOf(space);
  return {
    kernel: binaryKernel,
    constants: {
      ...{ ...types, MODE: rows ? 'rows' : 'broadcast', FLAT: false, RANK: space.shape.length },
      ...(rows && { A_RUNS: rows.runs[0] ?? false, B_RUNS: rows.runs[1] ?? false }),
    },
    buffers,
    uniforms: [rows ? vectors : y.size, 0, 0, 0, ...spaceWords(rows?.space ?? space)],
    workgroups: strideWorkgroups(rows ? vectors : y.size, caps),
    ...shared,
    // One of them may be a single element, the other as large as the result.
    ...([a, b].every(({ size }) => size === y.size || size === 1) &&
      elementwise([a, b].map(({ size }, binding) => ({ kind: size === 1 ? 'single' : 'vector', binding })))),
  };
}

/**
 * A space whose last axis divides into vectors of four, counted in these; and which operands run along that axis, the others being
 * the same all along it. Undefined where there is no such axis, or an operand takes larger steps along it.
 */
function rowsOf({ shape, strides }: StridedSpace): { space: StridedSpace; runs: readonly boolean[] } | undefined {
  const last = shape.length - 1;
  const along = strides.map((own) => own[last]);
  if (last < 0 || (shape[last] ?? 0) % 4 !== 0 || !along.every((stride) => stride === 0 || stride === 1))
    return undefined;
  const runs = along.map((stride) => stride === 1);
  const inVectors = strides.map((own, operand) =>
    own.map((stride, axis) => (axis === last || !runs[operand] ? stride : stride / 4)),
  );
  if (!inVectors.flat().every(Number.isInteger)) return undefined;
  return { space: { shape: shape.with(last, (shape[last] ?? 0) / 4), strides: inVectors }, runs };
}

function binaryBackward(rule: NonNullable<BinaryRow['backward']>): BackwardRule<BinaryAttrs> {
  return ({ grads, inputs, outputs, attrs, needs }) => {
    const [g, first, second] = [nth(grads, 0), nth(inputs, 0), inputs[1]];
    const scalar = attrs.scalar ?? 0;
    if (!second) {
      const [left, right] = attrs.swapped ? [scalar, first] : [first, scalar];
      return [rule(g, left, right, nth(outputs, 0))[attrs.swapped ? 1 : 0]()];
    }
    const [da, db] = rule(g, first, second, nth(outputs, 0));
    return [
      needs[0] ? sumToShape(da(), first.shape) : undefined,
      needs[1] ? sumToShape(db(), second.shape) : undefined,
    ];
  };
}

function commonDType(name: string, inputs: readonly Tensor[], kind: Kind): DType {
  const { dtype } = nth(inputs, 0);
  const other = inputs.find((input) => input.dtype !== dtype);
  if (other) {
    throw new DTypeError(`${name}: operands have dtypes ${dtype} and ${other.dtype}; convert one with to()`);
  }
  expectDType(name, inputs, ...KIND_DTYPES[kind]);
  return kind === 'comparison' ? 'bool' : dtype;
}

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
