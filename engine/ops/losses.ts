/** Losses of two tensors of one shape, element by element, made of other ops; PyTorch's definitions and defaults. */
import { ArgumentError, ShapeError } from '../errors.js';
import { expectDType } from '../op.js';
import { formatShape, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { softplus } from './activation.js';
import { abs, add, div, exp, log, lt, maximum, mul, neg, square, sub, where } from './elementwise.js';
import { reduceLoss, type Reduction } from './loss-reduction.js';
import { sum } from './reduce.js';

/** Options of a loss. */
export interface LossOptions {
  /** `mean` over all elements by default. */
  readonly reduction?: Reduction;
}

function checkPair(loss: string, input: Tensor, target: Tensor): void {
  expectDType(loss, [input, target], 'f32');
  if (!sameShape(input.shape, target.shape)) {
    throw new ShapeError(
      `${loss}: input ${formatShape(input.shape)} with target ${formatShape(target.shape)}; expected one shape`,
    );
  }
}

/** (input - target)^2. Throws a `ShapeError` or `DTypeError` unless both are f32 of one shape. */
export function mseLoss(input: Tensor, target: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  checkPair('mseLoss', input, target);
  return reduceLoss(square(sub(input, target)), reduction);
}

/** |input - target|. Throws a `ShapeError` or `DTypeError` unless both are f32 of one shape. */
export function l1Loss(input: Tensor, target: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  checkPair('l1Loss', input, target);
  return reduceLoss(abs(sub(input, target)), reduction);
}

/** Options of `smoothL1Loss`. */
export interface SmoothL1Options extends LossOptions {
  /** Where the square ends and the line begins; 1 by default, and with 0 it is `l1Loss`. */
  readonly beta?: number;
}

/**
 * d^2 / (2 beta) for |d| < beta, |d| - beta / 2 beyond, d = input - target. (Girshick, "Fast R-CNN", 2015.)
 *
 * @throws ShapeError or DTypeError unless both are f32 of one shape, ArgumentError for a negative beta
 */
export function smoothL1Loss(input: Tensor, target: Tensor, { reduction = 'mean', beta = 1 }: SmoothL1Options = {}) {
  if (!(beta >= 0 && beta < Infinity)) {
    throw new ArgumentError(`smoothL1Loss: beta ${beta}; expected a finite number from 0 up`);
  }
  if (beta === 0) return l1Loss(input, target, { reduction });
  checkPair('smoothL1Loss', input, target);
  const difference = sub(input, target);
  const size = abs(difference);
  const quadratic = mul(square(difference), 0.5 / beta);
  return reduceLoss(where(lt(size, beta), quadratic, sub(size, beta / 2)), reduction);
}

/** Options of `klDiv`. */
export interface KlDivOptions {
  /** `batchmean` is the sum divided by the first axis: the divergence itself. `mean`, over all elements, is PyTorch's default. */
  readonly reduction?: Reduction | 'batchmean';
  /** Whether the target holds logarithms too. */
  readonly logTarget?: boolean;
}

/** The smallest normal f32. */
const SMALLEST = 2 ** -126;

/**
 * Kullback-Leibler divergence of `target` from `input`, t (ln t - input), where `input` holds log-probabilities and `target`
 * probabilities; 0 where t is 0. In nats.
 *
 * @throws ShapeError or DTypeError unless both are f32 of one shape
 */
export function klDiv(input: Tensor, target: Tensor, { reduction = 'mean', logTarget = false }: KlDivOptions = {}) {
  checkPair('klDiv', input, target);
  const terms = logTarget
    ? mul(exp(target), sub(target, input))
    : mul(target, sub(log(maximum(target, SMALLEST)), input));
  if (reduction === 'batchmean') return div(sum(terms), input.shape[0] ?? 1);
  return reduceLoss(terms, reduction);
}

/** Options of `binaryCrossEntropyWithLogits`. */
export interface BinaryCrossEntropyOptions extends LossOptions {
  /** Factors of the elements, of a shape that broadcasts to theirs. */
  readonly weight?: Tensor;
  /** Factors of the positive term, likewise: above 1 favours recall. */
  readonly posWeight?: Tensor;
}

/**
 * -posWeight t ln s(x) - (1 - t) ln(1 - s(x)) with the sigmoid s, for logits x and targets t in [0, 1]; exact and finite for any
 * finite x.
 *
 * @throws ShapeError or DTypeError unless both are f32 of one shape
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  { reduction = 'mean', weight, posWeight }: BinaryCrossEntropyOptions = {},
): Tensor {
  checkPair('binaryCrossEntropyWithLogits', logits, target);
  // -ln s(x) = softplus(-x) and -ln(1 - s(x)) = x + softplus(-x).
  const positive = softplus(neg(logits));
  const factor = posWeight ? add(mul(sub(posWeight, 1), target), 1) : undefined;
  const terms = add(mul(sub(1, target), logits), factor ? mul(factor, positive) : positive);
  return reduceLoss(weight ? mul(terms, weight) : terms, reduction);
}
