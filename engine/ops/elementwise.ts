import binarySource from '../../shaders/binary.wgsl';
import castSource from '../../shaders/cast.wgsl';
import selectSource from '../../shaders/select.wgsl';
import unarySource from '../../shaders/unary.wgsl';
import { float, storageType, type DType } from '../dtype.js';
import { ArgumentError, DTypeError } from '../errors.js';
import { defineKernel, strideWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type BackwardRule, type OpSample } from '../op.js';
import { broadcastShapes, broadcastStrides, sameShape } from '../shape.js';
import { mergeAxes, spaceWords } from '../strided.js';
import type { Tensor } from '../tensor.js';
import { zeros, zerosLike } from './create.js';
import { sumToShape } from './movement.js';

const unaryKernel = defineKernel({ name: 'unary', source: unarySource, bindings: ['read', 'write'] });
const binaryKernel = defineKernel({ name: 'binary', source: binarySource, bindings: ['read', 'read', 'write'] });
const scalarKernel = defineKernel({ name: 'binary', source: binarySource, bindings: ['read', 'write'] });
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
  /** The derivative times the upstream gradient `g`, at input `x` with output `y`. */
  readonly backward: (g: Tensor, x: Tensor, y: Tensor) => Tensor;
}

function unary(name: string, row: UnaryRow): (x: Tensor) => Tensor {
  const op = defineOp<NoAttrs>({
    name,
    summary: row.summary,
    samples: UNARY_SAMPLES,
    ...(row.domain ? { domain: row.domain } : {}),
    infer: (inputs) => {
      expectDType(name, inputs, 'f32');
      return [{ shape: nth(inputs, 0).shape, dtype: 'f32' }];
    },
    run: ({ device, inputs, outputs }) => {
      const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
      if (x.size === 0) return;
      const vectors = Math.ceil(x.size / 4);
      device.dispatch({
        kernel: unaryKernel,
        constants: { OP: name },
        buffers: [x.range, y.range],
        uniforms: [vectors],
        workgroups: strideWorkgroups(vectors, device.caps),
        label: name,
      });
    },
    backward: ({ grads, inputs, outputs }) => [row.backward(nth(grads, 0), nth(inputs, 0), nth(outputs, 0))],
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
  /** f32 only, any number type with the operands' type as the result, or any number type with a bool result. */
  readonly kind: 'float' | 'number' | 'comparison';
  /** The gradients of both operands, not yet summed over broadcast axes. */
  readonly backward?: (g: Tensor, a: Operand, b: Operand, y: Tensor) => [() => Tensor, () => Tensor];
}

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
  { shapes: [[5, 3]], attrs: { scalar: 1.5 } },
  { shapes: [[5, 3]], attrs: { scalar: 1.5, swapped: true } },
];

function binary(name: string, row: BinaryRow): (a: Operand, b: Operand) => Tensor {
  const op = defineOp<BinaryAttrs>({
    name,
    summary: row.summary,
    samples: BINARY_SAMPLES,
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

function binaryDispatch(name: string, inputs: readonly Tensor[], y: Tensor, attrs: BinaryAttrs) {
  const [a, b] = [nth(inputs, 0), inputs[1]];
  const types = { OP: name, T: storageType(a.dtype), R: storageType(y.dtype) };
  const { caps } = y.device;
  const vectors = Math.ceil(y.size / 4);
  const flat = { uniforms: [vectors], workgroups: strideWorkgroups(vectors, caps), label: name };
  if (!b) {
    const scalar = attrs.scalar ?? 0;
    return {
      ...flat,
      kernel: scalarKernel,
      constants: { ...types, MODE: 'scalar', SWAPPED: attrs.swapped ?? false },
      buffers: [a.range, y.range],
      uniforms: [vectors, a.dtype === 'f32' ? float(scalar) : scalar >>> 0],
    };
  }
  const buffers = [a.range, b.range, y.range];
  if (sameShape(a.shape, b.shape)) {
    return { ...flat, kernel: binaryKernel, constants: { ...types, MODE: 'same' }, buffers };
  }
  const space = mergeAxes(name, y.shape, [broadcastStrides(a.shape, y.shape), broadcastStrides(b.shape, y.shape)]);
  return {
    kernel: binaryKernel,
    constants: { ...types, MODE: 'broadcast', RANK: space.shape.length },
    buffers,
    uniforms: [y.size, 0, 0, 0, ...spaceWords(space)],
    workgroups: strideWorkgroups(y.size, caps),
    label: name,
  };
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

function commonDType(name: string, inputs: readonly Tensor[], kind: BinaryRow['kind']): DType {
  const { dtype } = nth(inputs, 0);
  const other = inputs.find((input) => input.dtype !== dtype);
  if (other) {
    throw new DTypeError(`${name}: operands have dtypes ${dtype} and ${other.dtype}; convert one with to()`);
  }
  if (kind === 'comparison') return 'bool';
  expectDType(name, inputs, ...(kind === 'float' ? (['f32'] as const) : (['f32', 'i32', 'u32'] as const)));
  return dtype;
}

/** Negation, -x. */
export const neg = unary('neg', { summary: 'Negation, -x.', backward: (g) => neg(g) });
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
export const square = unary('square', { summary: 'Square, x^2.', backward: (g, x) => mul(g, mul(x, 2)) });
/** Absolute value; its derivative at 0 is 0. */
export const abs = unary('abs', { summary: 'Absolute value.', backward: (g, x) => mul(g, sign(x)) });
/** Sign: -1, 0 or 1; its derivative is 0 everywhere. */
export const sign = unary('sign', { summary: 'Sign: -1, 0 or 1.', backward: (g) => zerosLike(g) });
/** max(x, 0); its derivative at 0 is 0. */
export const relu = unary('relu', { summary: 'Rectifier, max(x, 0).', backward: (g, x) => reluGrad(g, x) });
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
/** The gradient of a ReLU: g where x > 0, else 0. */
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
  infer: (inputs, { dtype }) => [{ shape: nth(inputs, 0).shape, dtype }],
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    if (x.size === 0) return;
    const vectors = Math.ceil(x.size / 4);
    device.dispatch({
      kernel: castKernel,
      constants: { T: storageType(x.dtype), R: storageType(attrs.dtype), TO_BOOL: attrs.dtype === 'bool' },
      buffers: [x.range, y.range],
      uniforms: [vectors],
      workgroups: strideWorkgroups(vectors, device.caps),
    });
  },
});

/** `x` as another dtype; gives `x` itself where it already has it. Not differentiable: only f32 has gradients. */
export function to(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : applyOne(castOp, [x], { dtype });
}

const whereOp = defineOp<NoAttrs>({
  name: 'where',
  summary: 'a where the condition holds, else b.',
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
  ],
  infer: (inputs) => {
    expectDType('clamp', inputs, 'f32');
    return [{ shape: nth(inputs, 0).shape, dtype: 'f32' }];
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
    if (x.size === 0) return;
    const vectors = Math.ceil(x.size / 4);
    device.dispatch({
      kernel: unaryKernel,
      constants: { OP: 'clamp' },
      buffers: [x.range, y.range],
      uniforms: [vectors, float(attrs.min ?? -LARGEST), float(attrs.max ?? LARGEST)],
      workgroups: strideWorkgroups(vectors, device.caps),
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
