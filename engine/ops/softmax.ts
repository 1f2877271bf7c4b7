import softmaxSource from '../../shaders/softmax.wgsl';
import { noGrad } from '../autograd.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type BackwardRule, type Op, type OpSample } from '../op.js';
import { ShapeError } from '../errors.js';
import { formatShape, normalizeAxis, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { add, div, exp, log, mul, sub } from './elementwise.js';
import { expand, reshape } from './movement.js';
import { max, sum, type ReduceOptions } from './reduce.js';

const softmaxKernel = defineKernel({ name: 'softmax', source: softmaxSource, bindings: ['read', 'write'] });

interface AxisAttrs {
  readonly axis: number;
}

const SAMPLES: readonly OpSample<AxisAttrs>[] = [
  { shapes: [[4, 7]], attrs: { axis: 1 } },
  { shapes: [[3, 4, 5]], attrs: { axis: 0 } },
  { shapes: [[3, 4, 5]], attrs: { axis: 1 } },
  { shapes: [[1]], attrs: { axis: 0 } },
  { shapes: [[67, 1]], attrs: { axis: 1 } },
  { shapes: [[2, 4099, 3]], attrs: { axis: 1 } },
];

type Kind = 'softmax' | 'logSoftmax' | 'logSumExp';

/** Rows longer than this, where they are fewer than that, are not left to one invocation each. */
const LONG_ROW = 4096;
const FEW_ROWS = 1024;

/** The same by whole-tensor reductions, which share one row among many invocations. */
function byReductions(kind: Kind, x: Tensor, axis: number): Tensor {
  const m = max(x, axis, { keepDim: true });
  const shifted = sub(x, m);
  const powers = exp(shifted);
  const s = sum(powers, axis, { keepDim: true });
  switch (kind) {
    case 'softmax':
      return div(powers, s);
    case 'logSoftmax':
      return sub(shifted, log(s));
    case 'logSumExp':
      return add(m, log(s));
    default:
      return kind satisfies never;
  }
}

function alongAxis(kind: Kind, summary: string, backward: BackwardRule<AxisAttrs>): Op<AxisAttrs> {
  return defineOp<AxisAttrs>({
    name: kind,
    summary,
    samples: SAMPLES,
    infer: (inputs, { axis }) => {
      const { shape } = nth(inputs, 0);
      expectDType(kind, inputs, 'f32');
      if (shape[axis] === 0) {
        throw new ShapeError(
          `${kind}: axis ${axis} of shape ${formatShape(shape)} is empty; expected at least one element`,
        );
      }
      return [{ shape: kind === 'logSumExp' ? shape.toSpliced(axis, 1) : shape, dtype: 'f32' }];
    },
    run: ({ device, inputs, outputs, attrs }) => {
      const [x, y] = [nth(inputs, 0), nth(outputs, 0)];
      if (x.size === 0) return;
      const count = x.shape[attrs.axis] ?? 1;
      const rows = x.size / count;
      if (count > LONG_ROW && rows < FEW_ROWS) {
        device.scope(() => {
          device.copy(noGrad(device, () => byReductions(kind, x, attrs.axis)).range, y.range, 4 * y.size);
        });
        return;
      }
      device.dispatch({
        kernel: softmaxKernel,
        constants: { KIND: kind },
        buffers: [x.range, y.range],
        uniforms: [rows, count, sizeOf(x.shape.slice(attrs.axis + 1))],
        workgroups: foldWorkgroups(Math.ceil(rows / 64)),
        label: kind,
      });
    },
    backward,
  });
}

// p_j (g_j - sum_k g_k p_k)
const softmaxOp = alongAxis('softmax', 'Softmax along an axis.', ({ grads, outputs, attrs }) => {
  const [g, p] = [nth(grads, 0), nth(outputs, 0)];
  const weighted = mul(g, p);
  return [sub(weighted, mul(p, sum(weighted, attrs.axis, { keepDim: true })))];
});

// g_j - p_j sum_k g_k
const logSoftmaxOp = alongAxis('logSoftmax', 'Logarithm of softmax along an axis.', ({ grads, outputs, attrs }) => {
  const g = nth(grads, 0);
  return [sub(g, mul(exp(nth(outputs, 0)), sum(g, attrs.axis, { keepDim: true })))];
});

// g p_j
const logSumExpOp = alongAxis('logSumExp', 'ln sum exp along an axis.', ({ grads, inputs, attrs }) => {
  const [g, x] = [nth(grads, 0), nth(inputs, 0)];
  const kept = reshape(g, x.shape.with(attrs.axis, 1));
  return [mul(expand(kept, x.shape), softmax(x, attrs.axis))];
});

/** exp(x_j) / sum_k exp(x_k) along `axis`, the last by default; finite for every finite `x`. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return applyOne(softmaxOp, [x], { axis: normalizeAxis('softmax', axis, x.rank) });
}

/** ln softmax(x) along `axis`, the last by default, exact where the probability underflows. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return applyOne(logSoftmaxOp, [x], { axis: normalizeAxis('logSoftmax', axis, x.rank) });
}

/** ln sum_k exp(x_k) along one axis, the last by default; finite for every finite `x`. */
export function logSumExp(x: Tensor, axis = -1, { keepDim = false }: ReduceOptions = {}): Tensor {
  const at = normalizeAxis('logSumExp', axis, x.rank);
  const result = applyOne(logSumExpOp, [x], { axis: at });
  return keepDim ? reshape(result, x.shape.with(at, 1)) : result;
}
