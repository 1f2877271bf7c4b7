import backwardSource from '../../shaders/boosted_cross_entropy_backward.wgsl';
import forwardSource from '../../shaders/boosted_cross_entropy.wgsl';
import { ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { apply, defineOp, expectDType, nth, type BackwardCall, type OutputSpec } from '../op.js';
import { formatShape, sizeOf } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { full } from './create.js';
import { crossEntropy } from './cross-entropy.js';
import { reduceLoss, type Reduction } from './loss-reduction.js';
import { add, div, eq, exp, log, mul, sub, where } from './elementwise.js';
import { oneHot } from './indexing.js';
import { unsqueeze } from './movement.js';
import { argmax, sum } from './reduce.js';
import { logSoftmax, logSumExp, softmax } from './softmax.js';

/**
 * The boosted cross-entropy of MART (Wang et al., "Improving Adversarial Robustness Requires Revisiting Misclassified
 * Examples", ICLR 2020), which MIMAE-AT takes over (Atsague, Fakorede, Tian 2021, eq. 10), as one op with hand-fused
 * kernels, and as a composition of plain ops.
 */

/** Options of `boostedCrossEntropy`. */
export interface BoostedCrossEntropyOptions {
  /** Mean over the batch (the default), sum, or the samples' own values. */
  readonly reduction?: Reduction;
  /**
   * The constants of MART's published code: -ln(1.0001 - q_k + 1e-12) for -ln(1 - q_k), which caps the term at 9.21 and
   * kills its gradient for q_k > 0.9999. False by default: the formula as published.
   */
  readonly martCompat?: boolean;
}

/** A logit that takes no part: finite, and far enough from the largest f32 that no difference or product with it overflows. */
const EXCLUDED = -1e38;

interface Attrs {
  readonly martCompat: boolean;
}

const forwardKernel = defineKernel({
  name: 'boosted_cross_entropy',
  source: forwardSource,
  bindings: ['read', 'read', 'write', 'write'],
});
const backwardKernel = defineKernel({
  name: 'boosted_cross_entropy_backward',
  source: backwardSource,
  bindings: ['read', 'read', 'read', 'read', 'write'],
});

const boostedCrossEntropyOp = defineOp<Attrs>({
  name: 'boostedCrossEntropy',
  summary: 'Cross-entropy plus -ln(1 - q_k) of the strongest rival class k, per sample.',
  samples: [
    { m: 5, classes: 4, martCompat: false },
    { m: 5, classes: 4, martCompat: true },
    { m: 1, classes: 2, martCompat: false },
    { m: 0, classes: 3, martCompat: false },
    { m: 3, classes: 67, martCompat: false },
    { m: 67, classes: 10, martCompat: true },
  ].map(({ m, classes, martCompat }) => ({
    shapes: [[m, classes], [m]],
    attrs: { martCompat },
    draws: [null, { dtype: 'i32', range: [0, classes] }],
  })),
  infer: (inputs) => inferOutputs(nth(inputs, 0), nth(inputs, 1)),
  run: ({ device, inputs, outputs, attrs }) => {
    const logits = nth(inputs, 0);
    const [m = 0, classes = 0] = logits.shape;
    if (m === 0) return;
    // A thread per row while rows are short; then a row is shared by a workgroup, which software adapters want small.
    const threads = device.caps.software ? 8 : 32;
    const [ROWS, LANES] = classes <= 64 ? [threads, 1] : [1, threads];
    device.dispatch({
      kernel: forwardKernel,
      constants: { ROWS, LANES, COMPAT: attrs.martCompat },
      buffers: [...inputs, ...outputs].map((tensor) => tensor.range),
      uniforms: [m, classes, Math.min(LANES, classes)],
      workgroups: foldWorkgroups(Math.ceil(m / ROWS)),
    });
  },
  backward: (call) => differentiableBackward(call),
  fusedBackward: ({ inputs, outputs, attrs, grads }) => {
    const [logits, labels] = [nth(inputs, 0), nth(inputs, 1)];
    const { device } = logits;
    const [m = 0, classes = 0] = logits.shape;
    const gradient = device.empty(logits.shape);
    if (m > 0) {
      device.dispatch({
        kernel: backwardKernel,
        constants: { COMPAT: attrs.martCompat },
        buffers: [logits, labels, nth(outputs, 1), nth(grads, 0), gradient].map((tensor) => tensor.range),
        uniforms: [m, classes],
        workgroups: foldWorkgroups(Math.ceil(sizeOf(logits.shape) / 64)),
      });
    }
    return [gradient, undefined];
  },
});

/**
 * The mean over samples of -ln q_y - ln(1 - q_k), in nats, with q = softmax(logits) and k the largest logit other than the
 * label's (the lowest index where several tie; found by index, and its choice is not differentiated). `logits` is f32
 * `[m, C]`, C at least 2, `labels` i32 `[m]` in [0, C). Exact in the log domain: finite for logits of any size.
 */
export function boostedCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { reduction = 'mean', martCompat = false }: BoostedCrossEntropyOptions = {},
): Tensor {
  const outputs = apply(boostedCrossEntropyOp, [logits, labels], { martCompat });
  const rows = nth(outputs, 0);
  if (!rows.tracksGrad) nth(outputs, 1).dispose();
  return reduceLoss(rows, reduction);
}

/** `boostedCrossEntropy` made of plain differentiable ops: what the fused kernels are proved against. */
export function boostedCrossEntropyComposed(
  logits: Tensor,
  labels: Tensor,
  { reduction = 'mean', martCompat = false }: BoostedCrossEntropyOptions = {},
): Tensor {
  inferOutputs(logits, labels);
  const rival = rivalOneHot(logits, labels);
  const logProbabilities = logSoftmax(logits);
  const boost = martCompat
    ? log(add(sub(1.0001, sum(mul(exp(logProbabilities), rival), -1)), 1e-12))
    : logSumExp(exclude(logProbabilities, rival));
  return reduceLoss(sub(crossEntropy(logits, labels, { reduction: 'none' }), boost), reduction);
}

function inferOutputs(logits: Tensor, labels: Tensor): OutputSpec[] {
  expectDType('boostedCrossEntropy: logits', [logits], 'f32');
  expectDType('boostedCrossEntropy: labels', [labels], 'i32');
  const [m = 0, classes = 0] = logits.shape;
  if (logits.rank !== 2 || classes < 2 || labels.rank !== 1 || labels.shape[0] !== m) {
    throw new ShapeError(
      `boostedCrossEntropy: logits ${formatShape(logits.shape)} and labels ${formatShape(labels.shape)}; ` +
        'expected [m, C] with C at least 2, and [m]',
    );
  }
  return [
    { shape: [m], dtype: 'f32' },
    { shape: [m, 4], dtype: 'f32' },
  ];
}

/** One-hot f32 rows of the largest logit other than the label's; no gradient flows through it. */
function rivalOneHot(logits: Tensor, labels: Tensor): Tensor {
  const classes = logits.shape[1] ?? 0;
  const rivals = exclude(logits.detach(), oneHot(labels, classes));
  return oneHot(argmax(rivals, -1), classes);
}

/** `x`, but for a finite mask where `mask` (f32) is 1. */
function exclude(x: Tensor, mask: Tensor): Tensor {
  return where(eq(mask, 1), full([], EXCLUDED, { device: x.device }), x);
}

/** The rule for every order, in plain ops; see boosted_cross_entropy_backward.wgsl for the formulas. */
function differentiableBackward({ inputs, attrs, grads }: BackwardCall<Attrs>): (Tensor | undefined)[] {
  const [logits, labels] = [nth(inputs, 0), nth(inputs, 1)];
  const rival = rivalOneHot(logits, labels);
  const q = softmax(logits);
  const ofRival = sum(mul(q, rival), -1, { keepDim: true });
  const boost = attrs.martCompat
    ? div(mul(ofRival, sub(rival, q)), add(sub(1.0001, ofRival), 1e-12))
    : mul(ofRival, sub(rival, softmax(exclude(logits, rival))));
  const label = oneHot(labels, logits.shape[1] ?? 0);
  return [mul(unsqueeze(nth(grads, 0), -1), add(sub(q, label), boost)), undefined];
}
