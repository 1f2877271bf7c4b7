import crossEntropySource from '../../shaders/cross_entropy.wgsl';
import { float } from '../dtype.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, nth, type Op } from '../op.js';
import { formatShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { add, mul, neg, sub } from './elementwise.js';
import { gather, oneHot } from './indexing.js';
import { reshape } from './movement.js';
import { mean, sum } from './reduce.js';
import { softmax } from './softmax.js';

const forwardKernel = defineKernel({
  name: 'cross_entropy',
  source: crossEntropySource,
  bindings: ['read', 'read', 'write'],
});
const backwardKernel = defineKernel({
  name: 'cross_entropy',
  source: crossEntropySource,
  bindings: ['read', 'read', 'read', 'write'],
});

interface CrossEntropyAttrs {
  readonly labelSmoothing: number;
}

function checkLabels(op: string, logits: Tensor, labels: Tensor): void {
  expectDType(op, [logits], 'f32');
  expectDType(`${op}: labels`, [labels], 'i32');
  const [rows, classes] = logits.shape;
  if (logits.rank !== 2 || classes === 0 || labels.rank !== 1 || labels.shape[0] !== rows) {
    throw new ShapeError(
      `${op}: logits ${formatShape(logits.shape)} with labels ${formatShape(labels.shape)}; expected [m, C] and [m], C >= 1`,
    );
  }
}

const crossEntropyOp: Op<CrossEntropyAttrs> = defineOp<CrossEntropyAttrs>({
  name: 'crossEntropy',
  summary: 'Cross-entropy of each row of logits against its label.',
  samples: [
    { shapes: [[5, 4], [5]], labelSmoothing: 0 },
    { shapes: [[5, 4], [5]], labelSmoothing: 0.1 },
    { shapes: [[1, 1], [1]], labelSmoothing: 0 },
    { shapes: [[0, 3], [0]], labelSmoothing: 0 },
    { shapes: [[67, 10], [67]], labelSmoothing: 0.3 },
  ].map(({ shapes, labelSmoothing }) => ({
    shapes,
    attrs: { labelSmoothing },
    draws: [null, { dtype: 'i32', range: [0, shapes[0]?.[1] ?? 1] }],
  })),
  infer: (inputs) => {
    checkLabels('crossEntropy', nth(inputs, 0), nth(inputs, 1));
    return [{ shape: nth(inputs, 1).shape, dtype: 'f32' }];
  },
  run: ({ device, inputs, outputs, attrs }) => {
    const [z, labels, loss] = [nth(inputs, 0), nth(inputs, 1), nth(outputs, 0)];
    if (loss.size === 0) return;
    device.dispatch({
      kernel: forwardKernel,
      constants: { BACKWARD: false },
      buffers: [z.range, labels.range, loss.range],
      uniforms: [loss.size, z.shape[1] ?? 1, float(attrs.labelSmoothing)],
      workgroups: foldWorkgroups(Math.ceil(loss.size / 64)),
    });
  },
  backward: ({ grads, inputs, attrs }) => {
    const [g, z, labels] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    const classes = z.shape[1] ?? 1;
    const target = add(mul(oneHot(labels, classes), 1 - attrs.labelSmoothing), attrs.labelSmoothing / classes);
    return [mul(reshape(g, [g.size, 1]), sub(softmax(z), target)), undefined];
  },
  fusedBackward: ({ grads, inputs, attrs }) => {
    const [g, z, labels] = [nth(grads, 0), nth(inputs, 0), nth(inputs, 1)];
    const dz = z.device.empty(z.shape);
    if (dz.size > 0) {
      z.device.dispatch({
        kernel: backwardKernel,
        constants: { BACKWARD: true },
        buffers: [z.range, labels.range, g.range, dz.range],
        uniforms: [g.size, z.shape[1] ?? 1, float(attrs.labelSmoothing)],
        workgroups: foldWorkgroups(Math.ceil(g.size / 64)),
        label: 'crossEntropy backward',
      });
    }
    return [dz, undefined];
  },
});

/** How a per-row loss becomes the result: its mean, its sum, or the rows themselves. */
export type Reduction = 'mean' | 'sum' | 'none';

/** A per-row loss reduced as asked. */
export function reduceLoss(rows: Tensor, reduction: Reduction): Tensor {
  switch (reduction) {
    case 'mean':
      return mean(rows);
    case 'sum':
      return sum(rows);
    case 'none':
      return rows;
    default:
      return reduction satisfies never;
  }
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  readonly reduction?: Reduction;
  /** Weight s of the uniform distribution in the target, in [0, 1]; 0 by default. */
  readonly labelSmoothing?: number;
}

/**
 * Cross-entropy -ln softmax(logits)[label] of logits `[m, C]` against i32 labels `[m]`, in nats; the mean over rows by
 * default. Exact and finite for any finite logits. Labels must lie in [0, C): the data layer checks that.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { reduction = 'mean', labelSmoothing = 0 }: CrossEntropyOptions = {},
): Tensor {
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(`crossEntropy: labelSmoothing ${labelSmoothing}; expected a number from 0 to 1`);
  }
  return reduceLoss(applyOne(crossEntropyOp, [logits, labels], { labelSmoothing }), reduction);
}

/** Negative log-likelihood -logProbabilities[label] of `[m, C]` log-probabilities against i32 labels `[m]`. */
export function nllLoss(
  logProbabilities: Tensor,
  labels: Tensor,
  { reduction = 'mean' }: { reduction?: Reduction } = {},
): Tensor {
  checkLabels('nllLoss', logProbabilities, labels);
  const picked = gather(logProbabilities, 1, reshape(labels, [labels.size, 1]));
  return reduceLoss(neg(reshape(picked, [labels.size])), reduction);
}
