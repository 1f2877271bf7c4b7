/** Losses of two tensors of one shape, element by element, made of other ops; PyTorch's definitions and defaults. */
import { ArgumentError, ShapeError } from '../errors.js';
import { expectDType, nth, throughF32 } from '../op.js';
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

/** What `compute` makes of both, in f32, once they are known to be floats of one shape. */
function ofPair(
  loss: string,
  input: Tensor,
  target: Tensor,
  compute: (input: Tensor, target: Tensor) => Tensor,
): Tensor {
  expectDType(loss, [input, target], 'f32', 'f16');
  if (!sameShape(input.shape, target.shape)) {
    throw new ShapeError(
      `${loss}: input ${formatShape(input.shape)} with target ${formatShape(target.shape)}; expected one shape`,
    );
  }
  return nth(
    throughF32([input, target], (wide) => [compute(nth(wide, 0), nth(wide, 1))]),
    0,
  );
}

/** (input - target)^2. Throws a `ShapeError` or `DTypeError` unless both are floats of one shape. */
export function mseLoss(input: Tensor, target: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  return ofPair('mseLoss', input, target, (x, t) => reduceLoss(square(sub(x, t)), reduction));
}

/** |input - target|. Throws a `ShapeError` or `DTypeError` unless both are floats of one shape. */
export function l1Loss(input: Tensor, target: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  return ofPair('l1Loss', input, target, (x, t) => reduceLoss(abs(sub(x, t)), reduction));
}

/** Options of `smoothL1Loss`. */
export interface SmoothL1Options extends LossOptions {
  /** Where the square ends and the line begins; 1 by default, and with 0 it is `l1Loss`. */
  readonly beta?: number;
}

/**
 * d^2 / (2 beta) for |d| < beta, |d| - beta / 2 beyond, d = input - target. (Girshick, "Fast R-CNN", 2015.)
 *
 * @throws ShapeError or DTypeError unless both are floats of one shape, ArgumentError for a negative beta
 */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean', beta = 1 }: SmoothL1Options = {},
): Tensor {
  if (!(beta >= 0 && beta < Infinity)) {
    throw new ArgumentError(`smoothL1Loss: beta ${beta}; expected a finite number from 0 up`);
  }
  if (beta === 0) return l1Loss(input, target, { reduction });
  return ofPair('smoothL1Loss', input, target, (x, t) => {
    const difference = sub(x, t);
    const size = abs(difference);
    const quadratic = mul(square(difference), 0.5 / beta);
    return reduceLoss(where(lt(size, beta), quadratic, sub(size, beta / 2)), reduction);
  });
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
 * @throws ShapeError or DTypeError unless both are floats of one shape
 */
export function klDiv(
  input: Tensor,
  target: Tensor,
  { reduction = 'mean', logTarget = false }: KlDivOptions = {},
): Tensor {
  return ofPair('klDiv', input, target, (x, t) => {
    const terms = logTarget ? mul(exp(t), sub(t, x)) : mul(t, sub(log(maximum(t, SMALLEST)), x));
    if (reduction === 'batchmean') return div(sum(terms), x.shape[0] ?? 1);
    return reduceLoss(terms, reduction);
  });
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
 * @throws ShapeError or DTypeError unless both are floats of one shape
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  { reduction = 'mean', weight, posWeight }: BinaryCrossEntropyOptions = {},
): Tensor {
  return ofPair('binaryCrossEntropyWithLogits', logits, target, (x, t) => {
    // -ln s(x) = softplus(-x) and -ln(1 - s(x)) = x + softplus(-x).
    const positive = softplus(neg(x));
    const factor = posWeight ? add(mul(sub(posWeight, 1), t), 1) : undefined;
    const terms = add(mul(sub(1, t), x), factor ? mul(factor, positive) : positive);
    return reduceLoss(weight ? mul(terms, weight) : terms, reduction);
  });
}
