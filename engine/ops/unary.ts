import functions from '../../shaders/elementwise.wgsl';
import unarySource from '../../shaders/unary.wgsl';
import { float, storageType, type DType } from '../dtype.js';
import { defineKernel, strideWorkgroups, type ElementwiseCall } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth } from '../op.js';
import type { Tensor } from '../tensor.js';

const unaryKernel = defineKernel({ name: 'unary', source: functions + unarySource, bindings: ['read', 'write'] });

/** Attributes of an op that has none. */
export type NoAttrs = Readonly<Record<string, never>>;

/** Shapes that every elementwise op is tested on: scalar, one, primes, zero-size, more than a workgroup. */
export const UNARY_SAMPLES = [[], [1], [7], [0, 3], [2, 3, 5], [1031]].map((shape) => ({ shapes: [shape], attrs: {} }));

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

/** A unary op of this name, by the function `op_<name>` of `shaders/elementwise.wgsl`. */
export function unary(name: string, row: UnaryRow): (x: Tensor) => Tensor {
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

/** What a function of `shaders/elementwise.wgsl` takes beside its tensor. */
interface UnaryOptions {
  /** The function's attributes, at most two. */
  readonly attributes?: readonly number[];
  /** Read the elements as raw words instead of numbers. */
  readonly words?: boolean;
}

/** Records `y = op(x)`, elementwise, by the function `op_<op>` of `shaders/elementwise.wgsl`. */
export function dispatchUnary(op: string, x: Tensor, y: Tensor, options: UnaryOptions = {}): void {
  const { attributes = [], words = false } = options;
  const [first = 0, second = 0] = attributes;
  const { device } = x;
  if (x.size === 0) return;
  const vectors = Math.ceil(x.size / 4);
  const call: ElementwiseCall = {
    ...{ function: op, vectors },
    arguments: [
      { kind: 'vector', binding: 0 },
      ...attributes.map((value) => ({ kind: 'attribute', word: float(value) }) as const),
    ],
  };
  device.dispatch({
    kernel: unaryKernel,
    constants: {
      ...{ OP: op, T: words ? 'u32' : storageType(x.dtype), R: storageType(y.dtype) },
      ATTRIBUTES: ['', 'first', 'second'].slice(0, 1 + attributes.length).join(', params.'),
      SINGLE: false,
    },
    buffers: [x.range, y.range],
    uniforms: [vectors, float(first), float(second)],
    workgroups: strideWorkgroups(vectors, device.caps),
    label: op,
    reusable: 'settled',
    ...(x.dtype === 'f32' && y.dtype === 'f32' && !words && { elementwise: call }),
  });
}

/** Records `y`, all of whose elements are the one of `x`; of any type but f16. */
export function repeatElement(x: Tensor, y: Tensor): void {
  const { device } = y;
  if (y.size === 0) return;
  const vectors = Math.ceil(y.size / 4);
  device.dispatch({
    kernel: unaryKernel,
    // Words, whatever they mean.
    constants: { OP: 'copy', T: 'u32', R: 'u32', ATTRIBUTES: '', SINGLE: true },
    buffers: [x.range, y.range],
    uniforms: [vectors, 0, 0],
    workgroups: strideWorkgroups(vectors, device.caps),
    label: 'expand',
    ...(x.dtype === 'f32' && {
      elementwise: { function: 'copy', arguments: [{ kind: 'single', binding: 0 }], vectors },
    }),
  });
}
