import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { arange, full } from '../../engine/ops/create.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { add, div, eq, mul, neg, relu, sub, where } from '../../engine/ops/elementwise.js';
import { gather } from '../../engine/ops/indexing.js';
import { reshape, slice, unsqueeze } from '../../engine/ops/movement.js';
import { argmax } from '../../engine/ops/reduce.js';
import { topk } from '../../engine/ops/sort.js';
import { formatShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import { checkTargets } from '../criteria.js';
import type { AttackLoss } from './input-gradient.js';

/**
 * What attacks raise besides the cross-entropy, as functions of logits z `[m, C]` and i32 labels y `[m]`: one value for each sample,
 * `[m]`, differentiable in the logits. z_(j) is the j-th largest logit, t a class aimed at. Of equal logits the first counts.
 */

/** max_{k != y} z_k - z_y: above 0 where the sample is misclassified. The true class is left out by its place, whatever its logit. */
export const marginLoss: AttackLoss = (logits, labels) => {
  checkLogits('marginLoss', logits, labels, 2);
  return sub(largestOther(logits, labels), at(logits, labels));
};

/** Options of {@link cwLoss}. */
export interface CwLossOptions {
  /** How far past the boundary still counts, in logits; 50 unless told, which is nearly always out of reach; 0 stops at it. */
  readonly kappa?: number;
}

/**
 * -max(z_y - max_{k != y} z_k + kappa, 0): Carlini and Wagner, "Towards evaluating the robustness of neural networks", IEEE S&P 2017,
 * f_6, as Madry et al. 2018 raise it within a ball.
 *
 * @throws ArgumentError unless kappa is a finite number from 0 up
 */
export function cwLoss({ kappa = 50 }: CwLossOptions = {}): AttackLoss {
  checkKappa('cwLoss', kappa);
  return (logits, labels) => neg(relu(sub(kappa, marginLoss(logits, labels))));
}

/**
 * -max(max_{k != t} z_k - z_t + kappa, 0), which draws samples to the classes t, `targets` (i32 `[m]`): f_6 there, as it is published. It
 * does not look at the labels.
 *
 * @throws ArgumentError unless kappa is a finite number from 0 up; DTypeError or ShapeError, when called, for targets that do not fit
 */
export function targetedCwLoss(targets: Tensor, { kappa = 50 }: CwLossOptions = {}): AttackLoss {
  checkKappa('targetedCwLoss', kappa);
  return (logits, labels) => {
    checkTargets('targetedCwLoss', targets, labels);
    return neg(relu(add(marginLoss(logits, targets), kappa)));
  };
}

/**
 * ln softmax(z)_t, minus the cross-entropy of the classes t, `targets` (i32 `[m]`): drawn to them as far as it goes. It does not look at the
 * labels.
 *
 * @throws DTypeError or ShapeError, when called, for targets that do not fit
 */
export function targetedCrossEntropy(targets: Tensor): AttackLoss {
  return (logits, labels) => {
    checkTargets('targetedCrossEntropy', targets, labels);
    return neg(crossEntropy(logits, targets, { reduction: 'none' }));
  };
}

/**
 * The difference of logits ratio -(z_y - max_{k != y} z_k) / (z_(1) - z_(3) + 1e-12): Croce and Hein, "Reliable evaluation of adversarial
 * robustness with an ensemble of diverse parameter-free attacks", ICML 2020, eq. 6. Its gradient is 0 where y ranks third.
 *
 * @throws ArgumentError for fewer than 3 classes
 */
export const dlrLoss: AttackLoss = (logits, labels) => {
  checkLogits('dlrLoss', logits, labels, 3);
  const ranked = topk(logits, 3).values;
  const spread = sub(rank(ranked, 1), rank(ranked, 3));
  return div(marginLoss(logits, labels), add(spread, 1e-12));
};

/**
 * -(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2 + 1e-12), which draws samples to the classes `targets` (i32 `[m]`): eq. 7 there.
 *
 * @throws ArgumentError for fewer than 4 classes
 */
export function targetedDlrLoss(targets: Tensor): AttackLoss {
  return (logits, labels) => {
    checkLogits('targetedDlrLoss', logits, labels, 4);
    const ranked = topk(logits, 4).values;
    const spread = sub(rank(ranked, 1), mul(add(rank(ranked, 3), rank(ranked, 4)), 0.5));
    return div(sub(at(logits, targets), at(logits, labels)), add(spread, 1e-12));
  };
}

function checkKappa(loss: string, kappa: number): void {
  if (kappa >= 0 && kappa < Infinity) return;
  throw new ArgumentError(`${loss}: kappa is ${kappa}; expected a finite number from 0 up`);
}

/** z_k of each row, with its own k. */
function at(logits: Tensor, classes: Tensor): Tensor {
  return reshape(gather(logits, 1, unsqueeze(classes, -1)), [logits.shape[0] ?? 0]);
}

/** A column of ranked logits, counted from 1. */
function rank(ranked: Tensor, place: number): Tensor {
  return reshape(slice(ranked, [null, { start: place - 1, end: place }]), [ranked.shape[0] ?? 0]);
}

/** Below every logit: a number, since a GPU need not know infinities. */
const LOWEST = -3.4e38;

function largestOther(logits: Tensor, labels: Tensor): Tensor {
  const { device } = logits;
  const own = eq(unsqueeze(labels, -1), arange(0, logits.shape[1] ?? 0, { device }));
  return at(logits, argmax(where(own, full([], LOWEST, { device }), logits.detach()), 1));
}

function checkLogits(loss: string, logits: Tensor, labels: Tensor, classes: number): void {
  const [m, count = 0] = logits.shape;
  if (logits.rank !== 2 || labels.rank !== 1 || labels.shape[0] !== m) {
    throw new ShapeError(
      `${loss}: logits ${formatShape(logits.shape)} with labels ${formatShape(labels.shape)}; expected [m, C] and [m]`,
    );
  }
  if (count < classes) {
    throw new ArgumentError(`${loss}: the model has ${count} classes; needs at least ${classes}; take another loss`);
  }
}
