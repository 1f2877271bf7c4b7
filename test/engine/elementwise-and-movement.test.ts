import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grad, registeredOps, tensor, type Device, type Tensor } from '../../engine/index.js';
import {
  at,
  build,
  distance,
  elementwise,
  numericGradient,
  numericHessianProduct,
  sizeOf,
  type NdArray,
  type Reference,
} from '../support/reference.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

interface BinaryAttrs {
  scalar?: number;
  swapped?: boolean;
}
interface SpanAttrs {
  shape: number[];
  spans: { start: number; count: number; step: number }[];
}

const unary = (f: (x: number) => number) => (): Reference => elementwise(f);
const binary =
  (f: (a: number, b: number) => number) =>
  ({ scalar, swapped }: BinaryAttrs): Reference =>
    scalar === undefined ? elementwise(f) : elementwise((x) => (swapped ? f(scalar, x) : f(x, scalar)));

/** The definition of every op of engine/ops/elementwise.ts and movement.ts, given the sample's attributes. */
const references: Record<string, (attrs: never) => Reference> = {
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
  eq: binary((a, b) => Number(a === b)),
  ne: binary((a, b) => Number(a !== b)),
  lt: binary((a, b) => Number(a < b)),
  le: binary((a, b) => Number(a <= b)),
  gt: binary((a, b) => Number(a > b)),
  ge: binary((a, b) => Number(a >= b)),
  reshape:
    ({ shape }: { shape: number[] }) =>
    ([x]) => ({ shape, data: part(x).data }),
  permute:
    ({ axes }: { axes: number[] }) =>
    ([x]) =>
      build(
        axes.map((axis) => part(x).shape[axis] ?? 0),
        (index) =>
          at(
            part(x),
            axes.map((_, axis) => index[axes.indexOf(axis)] ?? 0),
          ),
      ),
  slice:
    ({ spans }: SpanAttrs) =>
    ([x]) =>
      build(
        spans.map((span) => span.count),
        (index) =>
          at(
            part(x),
            spans.map((span, axis) => span.start + (index[axis] ?? 0) * span.step),
          ),
      ),
  place:
    ({ spans, shape }: SpanAttrs) =>
    ([x]) =>
      build(shape, (index) => {
        const from = spans.map((span, axis) => ((index[axis] ?? 0) - span.start) / span.step);
        const inside = spans.every((span, axis) => {
          const position = from[axis] ?? -1;
          return Number.isInteger(position) && position >= 0 && position < span.count;
        });
        return inside ? at(part(x), from) : 0;
      }),
  concat:
    ({ axis }: { axis: number }) =>
    (inputs) => {
      const [first] = inputs;
      const total = inputs.reduce((sum, input) => sum + (input.shape[axis] ?? 0), 0);
      return build(part(first).shape.with(axis, total), (index) => {
        let position = index[axis] ?? 0;
        for (const input of inputs) {
          const size = input.shape[axis] ?? 0;
          if (position < size) return at(input, index.with(axis, position));
          position -= size;
        }
        return Number.NaN;
      });
    },
  expand:
    ({ shape }: { shape: number[] }) =>
    ([x]) =>
      build(shape, (index) => at(part(x), index)),
};

function part(x: NdArray | undefined): NdArray {
  if (!x) throw new RangeError('a reference was given too few inputs');
  return x;
}

/** f32 transcendental functions of the software adapters err by a few ulp: 2e-6 relative leaves a factor of about 8. */
const FORWARD = 2e-6;
/** Products of up to four such factors in first derivatives, eight in second. */
const FIRST = 2e-5;
const SECOND = 1e-4;

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

function draw(shape: readonly number[], seed: number, [low, high]: readonly [number, number]): NdArray {
  return { shape, data: Float64Array.from(uniformFloats(sizeOf(shape), seed, low, high)) };
}

function upload(x: NdArray): Tensor {
  return tensor(Float32Array.from(x.data), { shape: x.shape, device });
}

const cases = Object.entries(references).flatMap(([name, reference]) => {
  const op = registeredOps.get(name);
  if (!op) throw new RangeError(`no op is called ${name}`);
  return op.samples.map((sample, number) => ({ name, op, sample, number, f: reference(sample.attrs as never) }));
});

type Case = (typeof cases)[number];

function arraysOf({ op, sample, number }: Case): NdArray[] {
  return sample.shapes.map((shape, index) => draw(shape, 100 * number + index + 1, op.domain));
}

describe('every op computes its definition, three times over', () => {
  it.each(cases)('$name #$number', async (testCase) => {
    const { sample, f } = testCase;
    const arrays = arraysOf(testCase);
    for (let run = 0; run < 3; run++) {
      const [y] = sample.call(arrays.map(upload));
      const expected = f(arrays);
      expect(y?.shape).toEqual(expected.shape);
      const { error, norm } = distance((await y?.data()) ?? [], expected.data);
      expect(error).toBeLessThanOrEqual(FORWARD * norm + 1e-7);
    }
  });
});

describe('every differentiable op has the first and second derivatives of its definition', () => {
  const differentiable = cases.filter(({ op }) => op.differentiable);
  it.each(differentiable)('$name #$number', async (testCase) => {
    const { sample, f } = testCase;
    const arrays = arraysOf(testCase);
    for (const which of arrays.keys()) {
      const inputs = arrays.map(upload);
      const input = inputs[which]?.requireGrad();
      if (!input || input.size === 0) continue;
      const [y] = sample.call(inputs);
      if (!y) throw new RangeError('no output');
      const weights = draw(y.shape, 7, [-1, 1]);
      const direction = draw(input.shape, 8, [-1, 1]);
      const [first] = grad(y, [input], { gradOutput: upload(weights), createGraph: true });
      if (!first) throw new RangeError('no gradient');
      const numeric = distance(await first.data(), numericGradient(f, arrays, weights.data, which));
      expect(numeric.error).toBeLessThanOrEqual(FIRST * numeric.norm + 1e-6);
      if (!first.tracksGrad) continue;
      const expected = numericHessianProduct(f, arrays, weights.data, which, direction.data);
      const second = first.node ? secondOrZero(first, input, upload(direction)) : undefined;
      const hessian = distance(second ? await second.data() : new Float64Array(expected.length), expected);
      expect(hessian.error).toBeLessThanOrEqual(SECOND * hessian.norm + 1e-5);
    }
  });
});

function secondOrZero(first: Tensor, input: Tensor, direction: Tensor): Tensor | undefined {
  try {
    return grad(first, [input], { gradOutput: direction })[0];
  } catch (error) {
    // A linear op's gradient does not depend on its input: the second derivative is zero.
    if (error instanceof Error && error.message.includes('does not take part')) return undefined;
    throw error;
  }
}
