import crossEntropySource from '../../shaders/cross_entropy.wgsl';
import { float, isFloat } from '../dtype.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { applyOne, defineOp, expectDType, inF32, nth, type Op } from '../op.js';
import { formatShape, sameShape, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { zerosLike } from './create.js';
import { add, div, eq, logicalNot, maximum, mul, neg, sub, to, where } from './elementwise.js';
import { gather, indexSelect, oneHot } from './indexing.js';
import { reduceLoss, type Reduction } from './loss-reduction.js';
import { permute, reshape } from './movement.js';
import { sum } from './reduce.js';
import { logSoftmax, softmax } from './softmax.js';

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

/** How the rows count: each class by its weight `[C]`, and one label that counts for nothing. */
export interface ClassWeights {
  /** One factor per class, f32 `[C]`; ones by default. */
  readonly weight?: Tensor;
  /** Rows with this label contribute nothing, to the mean's divisor neither; none by default (PyTorch's is -100). */
  readonly ignoreIndex?: number;
}

/** Options of `nllLoss`. */
export interface NllLossOptions extends ClassWeights {
  /** `mean` by default: the sum over the rows divided by the sum of their labels' weights. */
  readonly reduction?: Reduction;
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** Weight s of the uniform distribution in the target, in [0, 1]; 0 by default. */
  readonly labelSmoothing?: number;
}

/**
 * Cross-entropy -ln softmax(logits)[label] of logits `[m, C]` against i32 labels `[m]`, in nats; the mean over rows by
 * default. Exact and finite for any finite logits. Labels must lie in [0, C): the data layer checks that. Logits `[m, C, ...]`
 * have labels `[m, ...]`; a target of f32 in the logits' own shape holds probabilities of the classes. As PyTorch's, but that the
 * mean over rows that are all ignored is 0.
 *
 * @throws ShapeError and DTypeError for shapes and dtypes other than these, ArgumentError for a smoothing outside [0, 1] or
 * `ignoreIndex` with probabilities
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { reduction = 'mean', labelSmoothing = 0, weight } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(`crossEntropy: labelSmoothing ${labelSmoothing}; expected a number from 0 to 1`);
  }
  if (logits.dtype === 'f16') return inF32(logits, (wide) => crossEntropy(wide, labels, options));
  if (isFloat(labels.dtype) && labels.rank === logits.rank) return softCrossEntropy(logits, labels, options);
  const rows = rowsOf('crossEntropy', logits, labels, options);
  const losses =
    weight && labelSmoothing > 0
      ? smoothedByClass(rows, weight, labelSmoothing)
      : weighted(applyOne(crossEntropyOp, [rows.logits, rows.labels], { labelSmoothing }), rows.weights);
  return reduceRows(losses, rows, labels.shape, reduction);
}

/** Cross-entropy against probabilities of the classes, of the logits' shape; classes along axis 1. */
function softCrossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions): Tensor {
  const { reduction = 'mean', labelSmoothing = 0, weight, ignoreIndex } = options;
  const classes = logits.shape[1] ?? 0;
  if (logits.rank < 2 || classes === 0 || !sameShape(logits.shape, target.shape)) {
    throw new ShapeError(
      `crossEntropy: logits ${formatShape(logits.shape)} with probabilities ${formatShape(target.shape)}; ` +
        'expected both [m, C, ...], C >= 1 (labels are i32)',
    );
  }
  if (ignoreIndex !== undefined) {
    throw new ArgumentError('crossEntropy: ignoreIndex is for labels; probabilities of 0 count for nothing');
  }
  if (weight) checkWeight('crossEntropy', weight, classes);
  const smooth = add(mul(target, 1 - labelSmoothing), labelSmoothing / classes);
  const factors = weight ? reshape(weight, [classes, ...logits.shape.slice(2).map(() => 1)]) : 1;
  const rows = neg(sum(mul(mul(smooth, factors), logSoftmax(logits, 1)), 1));
  return reduceLoss(rows, reduction);
}

/** Negative log-likelihood -logProbabilities[label] of `[m, C]` log-probabilities against i32 labels `[m]`, as PyTorch's. */
export function nllLoss(logProbabilities: Tensor, labels: Tensor, options: NllLossOptions = {}): Tensor {
  if (logProbabilities.dtype === 'f16') return inF32(logProbabilities, (wide) => nllLoss(wide, labels, options));
  const rows = rowsOf('nllLoss', logProbabilities, labels, options);
  const losses = weighted(neg(pick(rows.logits, rows.labels)), rows.weights);
  return reduceRows(losses, rows, labels.shape, options.reduction ?? 'mean');
}

/** A batch as rows of classes, and what each row counts for. */
interface Rows {
  /** `[m, C]`. */
  readonly logits: Tensor;
  /** `[m]`; 0 in place of the label to ignore. */
  readonly labels: Tensor;
  /** `[m]`: 0 for a row to ignore, or else 1; absent where none is. */
  readonly counted?: Tensor;
  /** `[m]`: the weight of the row's label, 0 for a row to ignore; absent where all are 1. */
  readonly weights?: Tensor;
}

function rowsOf(op: string, x: Tensor, target: Tensor, { weight, ignoreIndex }: ClassWeights): Rows {
  const { logits, labels: given } = asRows(op, x, target);
  checkLabels(op, logits, given);
  if (weight) checkWeight(op, weight, logits.shape[1] ?? 0);
  if (ignoreIndex === undefined) {
    return { logits, labels: given, ...(weight && { weights: indexSelect(weight, 0, given) }) };
  }
  const ignored = eq(given, ignoreIndex);
  const labels = where(ignored, zerosLike(given), given);
  const counted = to(logicalNot(ignored), 'f32');
  return { logits, labels, counted, weights: weight ? mul(indexSelect(weight, 0, labels), counted) : counted };
}

/** `[m, C, ...]` as `[m', C]`. */
function asRows(op: string, logits: Tensor, labels: Tensor): { logits: Tensor; labels: Tensor } {
  if (logits.rank <= 2) return { logits, labels };
  const [m = 0, classes = 0, ...rest] = logits.shape;
  if (!sameShape(labels.shape, [m, ...rest])) {
    throw new ShapeError(
      `${op}: logits ${formatShape(logits.shape)} with labels ${formatShape(labels.shape)}; expected [m, C, ...] and [m, ...]`,
    );
  }
  const last = permute(logits, [0, ...rest.map((_, axis) => axis + 2), 1]);
  return { logits: reshape(last, [labels.size, classes]), labels: reshape(labels, [labels.size]) };
}

function checkWeight(op: string, weight: Tensor, classes: number): void {
  expectDType(`${op}: weight`, [weight], 'f32');
  if (!sameShape(weight.shape, [classes])) {
    throw new ShapeError(`${op}: weight of shape ${formatShape(weight.shape)} for ${classes} classes; expected [C]`);
  }
}

/** The element of each row that its label names. */
function pick(rows: Tensor, labels: Tensor): Tensor {
  return reshape(gather(rows, 1, reshape(labels, [labels.size, 1])), [labels.size]);
}

function weighted(losses: Tensor, weights: Tensor | undefined): Tensor {
  return weights ? mul(losses, weights) : losses;
}

/** Cross-entropy where every class, and not only the label's, has its weight in the smoothed target. */
function smoothedByClass({ logits, labels, counted, weights }: Rows, weight: Tensor, smoothing: number): Tensor {
  const log = logSoftmax(logits);
  const own = mul(weighted(pick(log, labels), weights), smoothing - 1);
  const uniform = mul(sum(mul(log, weight), 1), -smoothing / weight.size);
  return add(own, weighted(uniform, counted));
}

function reduceRows(losses: Tensor, { weights }: Rows, shape: Shape, reduction: Reduction): Tensor {
  if (reduction === 'none') return reshape(losses, shape);
  if (reduction === 'sum' || !weights) return reduceLoss(losses, reduction);
  return div(sum(losses), maximum(sum(weights), SMALLEST));
}

/** The smallest normal f32: keeps 0 / 0 from being the mean of no rows. */
const SMALLEST = 2 ** -126;
