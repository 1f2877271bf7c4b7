import {
  add,
  grad,
  mul,
  registeredOps,
  sum,
  tensor,
  transpose,
  type Device,
  type InputDraw,
  type RegisteredOp,
  type Tensor,
} from '../../engine/index.js';
import { isFloat } from '../../engine/dtype.js';
import { fromFloat16, toFloat16 } from '../../engine/float16.js';
import { distance, sizeOf, weighted, type NdArray, type Reference } from './reference.js';
import { references } from './references/index.js';
import { uniformFloats } from './values.js';

/** One sample of a record in one dtype: what it is called with, and what it should give. */
export interface RecordCheck {
  readonly op: RegisteredOp;
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly draws: readonly InputDraw[];
  readonly call: (inputs: readonly Tensor[]) => Tensor[];
  /** It gives or takes f16, which not every adapter has. */
  readonly half: boolean;
  /** One per output that has a definition. */
  readonly definitions: readonly Reference[];
}

/** Where the values of dtypes without fractions come from, unless the sample says. */
const WHOLE = { i32: [-8, 8], u32: [0, 16], bool: [0, 2] } as const;

/** The checks of an op: every sample in every dtype of its record. */
export function checksOf(op: RegisteredOp): RecordCheck[] {
  const definition = references[op.name];
  if (!definition) return [];
  return op.samples.flatMap((sample, number) =>
    op.dtypes.map((dtype): RecordCheck => {
      const usual: InputDraw = { dtype, range: isFloat(dtype) ? op.domain : WHOLE[dtype] };
      const bound = definition(sample.attrs as never);
      return {
        op,
        name: `${op.name} #${number} ${dtype}`,
        shapes: sample.shapes,
        draws: sample.draws.map((draw) => draw ?? usual),
        call: sample.call,
        half: sample.half || dtype === 'f16',
        definitions: typeof bound === 'function' ? [bound] : bound,
      };
    }),
  );
}

/** The checks of every op that has a definition. */
export function everyCheck(): RecordCheck[] {
  return [...registeredOps.values()].flatMap(checksOf);
}

/** The values of a check's inputs. */
export function arraysOf({ shapes, draws }: RecordCheck, seed = 1, fill = uniformFloats): NdArray[] {
  return shapes.map((shape, index) => {
    const { dtype = 'f32', range = [0, 1] } = draws[index] ?? {};
    const values = (isFloat(dtype) ? fill : uniformFloats)(sizeOf(shape), 100 * seed + index, ...range);
    if (dtype === 'f16') return { shape, data: Float64Array.from(fromFloat16(toFloat16(values))) };
    return { shape, data: Float64Array.from(isFloat(dtype) ? values : values.map(Math.floor)) };
  });
}

/** The inputs of a check as tensors. */
export function uploadAll(device: Device, { draws }: RecordCheck, arrays: readonly NdArray[]): Tensor[] {
  return arrays.map(({ shape, data }, index) =>
    tensor([...data], { shape, dtype: draws[index]?.dtype ?? 'f32', device }),
  );
}

/** The same tensors as `uploadAll`, each the result of a permutation of another. */
export function uploadTransposed(device: Device, check: RecordCheck, arrays: readonly NdArray[]): Tensor[] {
  return arrays.map((array, index) => {
    const { shape } = array;
    const [rows = 1, columns = 1] = shape.slice(-2);
    const single = { ...check, draws: check.draws.slice(index, index + 1) };
    if (shape.length < 2) return uploadAll(device, single, [array])[0] as Tensor;
    const data = array.data.map((_, flat) => {
      const place = flat % (rows * columns);
      return array.data[flat - place + (place % rows) * columns + Math.floor(place / rows)] ?? Number.NaN;
    });
    const turned = { shape: [...shape.slice(0, -2), columns, rows], data };
    return transpose(uploadAll(device, single, [turned])[0] as Tensor);
  });
}

/**
 * An error as a part of what is expected: the L2 norm of the difference over that of the expectation, which counts as at least
 * `FLOOR` times `scale`, because a result of nearly 0 (a gradient that vanishes; a sum that cancels, whose error goes by its
 * terms) has no relative error worth the name.
 */
const FLOOR = 0.05;

export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>, scale = 1): number {
  const { error, norm } = distance(got, expected);
  return error / (norm + FLOOR * scale);
}

/** What a word of the dtype holds of a number: whole numbers wrap around. */
function wrap(expected: Float64Array, { dtype }: Tensor): Float64Array {
  if (dtype === 'i32') return expected.map((value) => value | 0);
  if (dtype === 'u32') return expected.map((value) => value >>> 0);
  return expected;
}

/** The worst error of the outputs; infinite for a shape that is not the definition's. */
export async function forwardError(
  check: RecordCheck,
  inputs: readonly Tensor[],
  arrays: readonly NdArray[],
): Promise<number> {
  const outputs = check.call(inputs);
  const total = Math.max(...arrays.map(({ data }) => data.reduce((sum, value) => sum + Math.abs(value), 0)));
  let worst = 0;
  for (const [index, definition] of check.definitions.entries()) {
    const [got, expected] = [outputs[index], definition(arrays)];
    if (got?.shape.join() !== expected.shape.join()) return Infinity;
    const scale = Math.max(1, total / Math.sqrt(Math.max(1, got.size)));
    worst = Math.max(worst, relativeError(await got.data(), wrap(expected.data, got), scale));
  }
  return worst;
}

/** Inputs of more elements than this in all are differentiated along random directions instead of element by element. */
const THOROUGH = 300;
const DIRECTIONS = 3;
const STEP = 1e-5;
/** Rounding errors are divided by this twice. */
const SECOND_STEP = 1e-4;

/** A scalar made of all differentiable outputs, as a tensor and as a function in float64. */
interface Scalar {
  readonly output: Tensor;
  readonly value: (arrays: readonly NdArray[]) => number;
}

function scalarOf(device: Device, { call, definitions }: RecordCheck, inputs: readonly Tensor[]): Scalar | undefined {
  const parts = call(inputs).flatMap((output, index) => {
    const definition = definitions[index];
    if (!definition || !output.tracksGrad) return [];
    const weights = uniformFloats(output.size, 7 + index, -1, 1);
    return [{ output, definition, weights, term: sum(mul(output, tensor(weights, { shape: output.shape, device }))) }];
  });
  const [first, ...rest] = parts;
  if (!first) return undefined;
  return {
    output: rest.reduce((total, { term }) => add(total, term), first.term),
    value: (arrays) =>
      parts.reduce((total, part) => total + weighted(part.definition, arrays, Float64Array.from(part.weights)), 0),
  };
}

/** The arrays with `direction` times `step` added to one of them. */
function moved(arrays: readonly NdArray[], which: number, direction: Float64Array, step: number): NdArray[] {
  return arrays.map((array, index) =>
    index === which
      ? { shape: array.shape, data: array.data.map((value, at) => value + step * (direction[at] ?? 0)) }
      : array,
  );
}

function unit(size: number, at: number): Float64Array {
  return new Float64Array(size).fill(1, at, at + 1);
}

/** d value / d arrays[which], by central differences. */
function numericGradient(value: Scalar['value'], arrays: readonly NdArray[], which: number, step = STEP): Float64Array {
  const size = arrays[which]?.data.length ?? 0;
  return Float64Array.from({ length: size }, (_, at) => {
    const direction = unit(size, at);
    const [plus, minus] = [value(moved(arrays, which, direction, step)), value(moved(arrays, which, direction, -step))];
    return (plus - minus) / (2 * step);
  });
}

/** The error of a gradient: against all of it, or along random directions. */
function gradientError(
  got: ArrayLike<number>,
  value: Scalar['value'],
  arrays: readonly NdArray[],
  which: number,
  small: boolean,
): number {
  const size = arrays[which]?.data.length ?? 0;
  if (small) {
    return relativeError(got, numericGradient(value, arrays, which));
  }
  const { norm } = distance(got, got);
  const errors = Array.from({ length: DIRECTIONS }, (_, index) => {
    const direction = Float64Array.from(uniformFloats(size, 50 + index, -1, 1));
    const [plus, minus] = [value(moved(arrays, which, direction, STEP)), value(moved(arrays, which, direction, -STEP))];
    const along = direction.reduce((total, part, at) => total + part * (got[at] ?? Number.NaN), 0);
    // An error vector e shows as |<e, u>|, which for u uniform in [-1, 1] has the mean square |e|^2 / 3.
    return (Math.sqrt(3) * Math.abs(along - (plus - minus) / (2 * STEP))) / (norm + FLOOR);
  });
  return Math.max(...errors);
}

/** The worst errors of first derivatives (by the fused rule and by the differentiable one) and of second ones. */
export interface DerivativeErrors {
  readonly first: number;
  readonly second: number;
}

/**
 * The derivatives of a check with respect to each f32 input; second ones, mixed ones among them, where inputs have no more than
 * `thorough` elements, which are also those whose first derivatives are checked element by element.
 */
export async function derivativeErrors(
  device: Device,
  check: RecordCheck,
  arrays: readonly NdArray[],
  thorough = THOROUGH,
): Promise<DerivativeErrors> {
  const small = arrays.reduce((total, { data }) => total + data.length, 0) <= thorough;
  let [worst, worstSecond] = [0, 0];
  for (const [which, array] of arrays.entries()) {
    if (check.draws[which]?.dtype !== 'f32' || array.data.length === 0) continue;
    const inputs = uploadAll(device, check, arrays);
    const leaves = inputs.map((input) => (input.dtype === 'f32' ? input.requireGrad() : input));
    const [input] = leaves.slice(which, which + 1);
    const scalar = scalarOf(device, check, inputs);
    if (!input || !scalar) continue;
    const fused = gradientOf(scalar.output, input, false);
    // Nothing comes back where the output does not depend on the input (a sign, a rounding): then it has to be 0.
    const zeros = new Float64Array(input.size);
    worst = Math.max(worst, gradientError((await fused?.data()) ?? zeros, scalar.value, arrays, which, small));
    const first = gradientOf(scalar.output, input, true);
    worst = Math.max(worst, gradientError((await first?.data()) ?? zeros, scalar.value, arrays, which, small));
    if (!small) continue;
    const direction = Float64Array.from(uniformFloats(input.size, 8, -1, 1));
    const gradOutput = tensor([...direction], { shape: input.shape, device });
    for (const [other, leaf] of leaves.entries()) {
      if (!leaf.requiresGrad || leaf.size === 0) continue;
      const second = first?.tracksGrad ? gradientOf(first, leaf, false, gradOutput) : undefined;
      const expected = numericSecond(scalar.value, arrays, which, other, direction);
      worstSecond = Math.max(
        worstSecond,
        relativeError((await second?.data()) ?? new Float64Array(leaf.size), expected),
      );
    }
  }
  return { first: worst, second: worstSecond };
}

/** d/d arrays[other] of the derivative along `direction` in arrays[which]. */
function numericSecond(
  value: Scalar['value'],
  arrays: readonly NdArray[],
  which: number,
  other: number,
  direction: Float64Array,
): Float64Array {
  const [plus, minus] = [SECOND_STEP, -SECOND_STEP].map((side) =>
    numericGradient(value, moved(arrays, which, direction, side), other, SECOND_STEP),
  );
  return Float64Array.from(plus ?? [], (part, at) => (part - (minus?.[at] ?? Number.NaN)) / (2 * SECOND_STEP));
}

/** A gradient, or undefined where the input does not take part. */
function gradientOf(output: Tensor, input: Tensor, createGraph: boolean, gradOutput?: Tensor): Tensor | undefined {
  try {
    return grad(output, [input], { createGraph, ...(gradOutput && { gradOutput }) })[0];
  } catch (error) {
    if (error instanceof Error && error.message.includes('does not take part')) return undefined;
    throw error;
  }
}
