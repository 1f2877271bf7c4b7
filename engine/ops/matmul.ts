import { ShapeError } from '../errors.js';
import { applyOne, defineOp, expectDType, nth, type Op } from '../op.js';
import { broadcastShapes, broadcastStrides, formatShape, sizeOf, type Shape } from '../shape.js';
import { mergeAxes } from '../strided.js';
import type { Tensor } from '../tensor.js';
import { gemm, type GemmBatch } from './gemm.js';
import { expand, reshape, sumToShape } from './movement.js';
import { sum } from './reduce.js';

interface MatmulAttrs {
  /** The operand's last two axes are exchanged. */
  readonly transA: boolean;
  readonly transB: boolean;
}

/** [rows, columns] of the last two axes, exchanged where `transposed`. */
function matrixOf({ shape }: Tensor, transposed: boolean): [number, number] {
  const [rows = 0, columns = 0] = shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

function batchOf({ shape }: Tensor): Shape {
  return shape.slice(0, -2);
}

/** The two merged batch axes of a product, or undefined where the operands' batches do not merge into two. */
function mergedBatch(a: Tensor, b: Tensor, out: Tensor): GemmBatch | undefined {
  const batch = batchOf(out);
  const [sizeA, sizeB, sizeOut] = [a, b, out].map(({ shape }) => sizeOf(shape.slice(-2))) as [number, number, number];
  const steps = (operand: Tensor, size: number): number[] =>
    broadcastStrides(batchOf(operand), batch).map((stride) => stride * size);
  const space = mergeAxes('matmul', batch, [steps(a, sizeA), steps(b, sizeB), steps(out, sizeOut)]);
  if (space.shape.length > 2) return undefined;
  const outermost = <T>(list: readonly T[] | undefined, missing: T): [T, T] => {
    const [first = missing, second] = list ?? [];
    return second === undefined ? [missing, first] : [first, second];
  };
  const [outer, inner] = outermost(space.shape, 1);
  const [ofA, ofB, ofOut] = space.strides;
  return { outer, inner, a: outermost(ofA, 0), b: outermost(ofB, 0), out: outermost(ofOut, 0) };
}

const matmulOp: Op<MatmulAttrs> = defineOp<MatmulAttrs>({
  name: 'matmul',
  summary: 'Batched matrix product of the last two axes, the others broadcast.',
  samples: [
    {
      shapes: [
        [3, 5],
        [5, 7],
      ],
      attrs: { transA: false, transB: false },
    },
    {
      shapes: [
        [5, 3],
        [7, 5],
      ],
      attrs: { transA: true, transB: true },
    },
    {
      shapes: [
        [2, 1, 3, 4],
        [5, 4, 6],
      ],
      attrs: { transA: false, transB: false },
    },
    {
      shapes: [
        [1, 1],
        [1, 1],
      ],
      attrs: { transA: false, transB: true },
    },
    {
      shapes: [
        [17, 33],
        [33, 19],
      ],
      attrs: { transA: false, transB: false },
    },
  ],
  infer: (inputs, { transA, transB }) => {
    const [a, b] = [nth(inputs, 0), nth(inputs, 1)];
    expectDType('matmul', inputs, 'f32');
    const [[M, K], [inner, N]] = [matrixOf(a, transA), matrixOf(b, transB)];
    if (a.rank < 2 || b.rank < 2 || K !== inner) {
      throw new ShapeError(
        `matmul: ${formatShape(a.shape)}${transA ? ' transposed' : ''} by ${formatShape(b.shape)}` +
          `${transB ? ' transposed' : ''}; the columns of the first (${K}) must be the rows of the second (${inner})`,
      );
    }
    return [{ shape: [...broadcastShapes('matmul', batchOf(a), batchOf(b)), M, N], dtype: 'f32' }];
  },
  macs: ({ inputs, attrs: { transA, transB } }) => {
    const [a, b] = [nth(inputs, 0), nth(inputs, 1)];
    const [[M, K], [, N]] = [matrixOf(a, transA), matrixOf(b, transB)];
    return sizeOf(broadcastShapes('matmul', batchOf(a), batchOf(b))) * M * K * N;
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const [a, b, out] = [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)];
    const [[M, K], [, N]] = [matrixOf(a, attrs.transA), matrixOf(b, attrs.transB)];
    const batch = mergedBatch(a, b, out);
    if (batch) {
      gemm(device, { a, b, out, M, N, K, ...attrs, batch });
      return;
    }
    // Batches that interleave repeated and own axes more than twice are rare enough to be laid out in full.
    device.scope(() => {
      const full = batchOf(out);
      const [wholeA, wholeB] = [expand(a, [...full, ...a.shape.slice(-2)]), expand(b, [...full, ...b.shape.slice(-2)])];
      const count = sizeOf(full);
      const flat = { outer: 1, inner: count, a: [0, M * K], b: [0, K * N], out: [0, M * N] } as const;
      gemm(device, { a: wholeA, b: wholeB, out, M, N, K, ...attrs, batch: flat });
    });
  },
  // For C = op(A) op(B):  dA = G op(B)^T, or its transpose op(B) G^T;  dB = op(A)^T G, or G^T op(A).
  backward: ({ grads, inputs, attrs: { transA, transB }, needs }) => {
    const [g, a, b] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    const da = (): Tensor => (transA ? product(b, g, transB, true) : product(g, b, false, !transB));
    const db = (): Tensor => (transB ? product(g, a, true, transA) : product(a, g, !transA, false));
    return [needs[0] ? sumToShape(da(), a.shape) : undefined, needs[1] ? sumToShape(db(), b.shape) : undefined];
  },
});

function product(a: Tensor, b: Tensor, transA: boolean, transB: boolean): Tensor {
  return applyOne(matmulOp, [a, b], { transA, transB });
}

/**
 * Matrix product as PyTorch's `matmul`: 1-D operands are a row on the left and a column on the right, whose axis is then
 * dropped; leading axes are batches, which broadcast. Throws a `ShapeError` where the inner sizes differ.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.rank === 0 || b.rank === 0) {
    throw new ShapeError(`matmul: ${formatShape(a.shape)} by ${formatShape(b.shape)}; expected at least one axis each`);
  }
  if (a.rank === 1) {
    const row = matmul(reshape(a, [1, a.size]), b);
    return reshape(row, b.rank === 1 ? [] : row.shape.toSpliced(-2, 1));
  }
  if (b.rank === 1) {
    const column = matmul(a, reshape(b, [b.size, 1]));
    return reshape(column, column.shape.slice(0, -1));
  }
  if (a.rank > 2 && b.rank === 2 && a.size > 0) {
    const flat = product(reshape(a, [-1, a.shape.at(-1) ?? 1]), b, false, false);
    return reshape(flat, [...a.shape.slice(0, -1), b.shape[1] ?? 0]);
  }
  return product(a, b, false, false);
}

/** Inputs x [m, K], weight [N, K] and bias [N]. */
const linearOp = defineOp<Readonly<Record<string, never>>>({
  name: 'linear',
  summary: 'x weight^T + bias.',
  samples: [
    { shapes: [[4, 6], [5, 6], [5]], attrs: {} },
    { shapes: [[1, 17], [3, 17], [3]], attrs: {} },
  ],
  infer: (inputs) => {
    expectDType('linear', inputs, 'f32');
    return [{ shape: [nth(inputs, 0).shape[0] ?? 0, nth(inputs, 1).shape[0] ?? 0], dtype: 'f32' }];
  },
  macs: ({ inputs }) => nth(inputs, 0).size * (nth(inputs, 1).shape[0] ?? 0),
  run: ({ device, inputs, outputs }) => {
    const [x, weight, bias, out] = [nth(inputs, 0), nth(inputs, 1), nth(inputs, 2), nth(outputs, 0)];
    const [M = 0, K = 0] = x.shape;
    gemm(device, { a: x, b: weight, out, M, N: weight.shape[0] ?? 0, K, transB: true, bias });
  },
  backward: ({ grads, inputs, needs }) => {
    const [g, x, weight] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    return [
      needs[0] ? product(g, weight, false, false) : undefined,
      needs[1] ? product(g, x, true, false) : undefined,
      needs[2] ? sum(g, 0) : undefined,
    ];
  },
});

/**
 * x weight^T + bias for `x` `[..., K]`, `weight` `[N, K]`, `bias` `[N]`: PyTorch's `linear`. Throws a `ShapeError` where
 * the sizes do not fit.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  const inputs = bias ? [x, weight, bias] : [x, weight];
  expectDType('linear', inputs, 'f32', 'f16');
  const [N = 0, K = 0] = weight.shape;
  if (x.rank < 1 || weight.rank !== 2 || x.shape.at(-1) !== K || (bias && (bias.rank !== 1 || bias.size !== N))) {
    throw new ShapeError(
      `linear: input ${formatShape(x.shape)}, weight ${formatShape(weight.shape)}` +
        `${bias ? `, bias ${formatShape(bias.shape)}` : ''}; expected [..., K], [N, K] and [N]`,
    );
  }
  const rows = reshape(x, [sizeOf(x.shape.slice(0, -1)), K]);
  const out = bias ? applyOne(linearOp, [rows, weight, bias], {}) : product(rows, weight, false, true);
  return reshape(out, [...x.shape.slice(0, -1), N]);
}
