import binarySource from '../../shaders/binary.wgsl';
import functions from '../../shaders/elementwise.wgsl';
import { float, storageType, type DType } from '../dtype.js';
import { ArgumentError, DTypeError } from '../errors.js';
import { defineKernel, strideWorkgroups, type Dispatch, type ElementwiseArgument } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type BackwardRule, type OpSample } from '../op.js';
import { broadcastShapes, broadcastStrides, sameShape } from '../shape.js';
import { mergeAxes, spaceWords, type StridedSpace } from '../strided.js';
import type { Tensor } from '../tensor.js';
import { sumToShape } from './movement.js';

const source = functions + binarySource;
const binaryKernel = defineKernel({ name: 'binary', source, bindings: ['read', 'read', 'write'] });
const scalarKernel = defineKernel({ name: 'binary', source, bindings: ['read', 'write'] });

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

/** What operands of each kind may hold. */
export const KIND_DTYPES: Readonly<Record<Kind, readonly DType[]>> = {
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

/** A binary op of this name, by the function `op_<name>` of `shaders/elementwise.wgsl`. */
export function binary(name: string, row: BinaryRow): (a: Operand, b: Operand) => Tensor {
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
