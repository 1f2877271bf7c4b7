import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { boostedCrossEntropy, type BoostedCrossEntropyOptions } from '../../engine/ops/boosted-cross-entropy.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { reduceLoss, type Reduction } from '../../engine/ops/loss-reduction.js';
import { abs, add, div, eq, exp, log, mul, neg, square, sub, where } from '../../engine/ops/elementwise.js';
import { mutualInformation } from '../../engine/ops/mutual-information.js';
import { argmax, sum } from '../../engine/ops/reduce.js';
import { logSoftmax } from '../../engine/ops/softmax.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';

/**
 * The losses of adversarial training, as functions of logits. Everywhere `natural` are the logits `[m, C]` of the natural
 * images and `adversarial` those of their adversarial versions, f32, `labels` the i32 classes `[m]`; losses are means over
 * the batch, in nats where they are entropies; p = softmax(natural), q = softmax(adversarial). Gradients flow into both
 * logits unless a formula says otherwise (detach the natural logits for a one-sided variant). Everything is computed in
 * differences of log-probabilities: values and gradients are finite for logits of any size.
 */

export { boostedCrossEntropy, type BoostedCrossEntropyOptions };

/** How the C differences of a sample are put together: their sum, as every formula has it, or their mean. */
export type PairReduction = 'sum' | 'mean';

/** Options of the pairing losses. */
export interface PairingOptions {
  /** Over classes; 'sum' by default. Over the batch it is always the mean. */
  readonly reduction?: PairReduction;
}

/** The L1 norm of the logits' difference, mean_i sum_k |a_ik - n_ik|; the derivative of |.| at 0 is 0. */
export function l1Pairing(natural: Tensor, adversarial: Tensor, options: PairingOptions = {}): Tensor {
  return pairing('l1Pairing', natural, adversarial, abs, options);
}

/** The squared L2 norm of the logits' difference, mean_i sum_k (a_ik - n_ik)^2. */
export function msePairing(natural: Tensor, adversarial: Tensor, options: PairingOptions = {}): Tensor {
  return pairing('msePairing', natural, adversarial, square, options);
}

function pairing(
  name: string,
  natural: Tensor,
  adversarial: Tensor,
  size: (difference: Tensor) => Tensor,
  { reduction = 'sum' }: PairingOptions,
): Tensor {
  const [m, classes] = checkPair(name, natural, adversarial);
  const total = sum(size(sub(adversarial, natural)));
  return div(total, reduction === 'sum' ? m : m * classes);
}

/** Options of `klDivergence`. */
export interface KLDivergenceOptions {
  /** Mean over the batch (PyTorch's 'batchmean') by default; 'none' gives `[m]`. */
  readonly reduction?: Reduction;
}

/** KL(p || q) = sum_k p_k (ln p_k - ln q_k) of softmax(natural) from softmax(adversarial); gradient into both. */
export function klDivergence(
  natural: Tensor,
  adversarial: Tensor,
  { reduction = 'mean' }: KLDivergenceOptions = {},
): Tensor {
  checkPair('klDivergence', natural, adversarial);
  const logP = logSoftmax(natural);
  return reduceLoss(sum(mul(exp(logP), sub(logP, logSoftmax(adversarial))), -1), reduction);
}

/** Options of the losses that add one weighted term to a classification loss. */
export interface WeightedLossOptions {
  /** Weight of the second term, at least 0. */
  readonly lambda: number;
}

/** Options of `alpLoss`. */
export interface AlpLossOptions extends WeightedLossOptions {
  /** Over the classes of the pairing term; 'sum' by default, the squared L2 norm of the formula. */
  readonly pairReduction?: PairReduction;
}

/**
 * Adversarial logit pairing (Kannan et al. 2018, in the form of Atsague et al. 2021, table 1):
 * CE(adversarial) + lambda ||adversarial - natural||_2^2.
 */
export function alpLoss(
  natural: Tensor,
  adversarial: Tensor,
  labels: Tensor,
  { lambda, pairReduction = 'sum' }: AlpLossOptions,
): Tensor {
  checkWeight('alpLoss', 'lambda', lambda);
  const pair = msePairing(natural, adversarial, { reduction: pairReduction });
  return add(crossEntropy(adversarial, labels), mul(pair, lambda));
}

/**
 * TRADES (Zhang et al. 2019): CE(natural) + lambda KL(p || q). Its weight is called beta in the published code; the target
 * p is not a constant there, nor here.
 */
export function tradesLoss(
  natural: Tensor,
  adversarial: Tensor,
  labels: Tensor,
  { lambda }: WeightedLossOptions,
): Tensor {
  checkWeight('tradesLoss', 'lambda', lambda);
  return add(crossEntropy(natural, labels), mul(klDivergence(natural, adversarial), lambda));
}

/** Options of `martLoss`. */
export interface MartLossOptions extends WeightedLossOptions {
  /** The constants of the published code: 1.0001 and 1e-12 in logarithms, 1.0000001 in the weight. False by default. */
  readonly martCompat?: boolean;
}

/** MART (Wang et al. 2020): mean_i BCE(adversarial_i) + lambda KL_i(p || q) (1 - p_iy), gradient through the weight too. */
export function martLoss(
  natural: Tensor,
  adversarial: Tensor,
  labels: Tensor,
  { lambda, martCompat = false }: MartLossOptions,
): Tensor {
  checkWeight('martLoss', 'lambda', lambda);
  const boosted = boostedCrossEntropy(adversarial, labels, { martCompat });
  return add(boosted, mul(martDivergence(natural, adversarial, labels, { martCompat }), lambda));
}

/** The second term of {@link martLoss}, mean_i KL_i(p || q) (1 - p_iy), gradient through the weight too. */
export function martDivergence(
  natural: Tensor,
  adversarial: Tensor,
  labels: Tensor,
  { martCompat = false }: Pick<MartLossOptions, 'martCompat'> = {},
): Tensor {
  const divergence = martCompat
    ? publishedMartDivergence(natural, adversarial)
    : klDivergence(natural, adversarial, { reduction: 'none' });
  const ofLabel = exp(neg(crossEntropy(natural, labels, { reduction: 'none' })));
  return reduceLoss(mul(divergence, sub(martCompat ? 1.0000001 : 1, ofLabel)), 'mean');
}

/** KL with ln(q + 1e-12) for ln q, per sample. */
function publishedMartDivergence(natural: Tensor, adversarial: Tensor): Tensor {
  checkPair('martLoss', natural, adversarial);
  const [logP, logQ] = [logSoftmax(natural), logSoftmax(adversarial)];
  return sum(mul(exp(logP), sub(logP, log(add(exp(logQ), 1e-12)))), -1);
}

/**
 * The skeleton of max-margin adversarial training (Ding et al. 2020) at a fixed eps, as in Atsague et al. 2021, table 1:
 * CE(adversarial) for samples whose natural logits give the label (the first of the largest), CE(natural) for the others.
 */
export function mmaFixedLoss(natural: Tensor, adversarial: Tensor, labels: Tensor): Tensor {
  checkPair('mmaFixedLoss', natural, adversarial);
  const correct = eq(argmax(natural, -1), labels);
  const rows = where(
    correct,
    crossEntropy(adversarial, labels, { reduction: 'none' }),
    crossEntropy(natural, labels, { reduction: 'none' }),
  );
  return reduceLoss(rows, 'mean');
}

/** Options of `mimaeLoss`; the defaults are the method's. */
export interface MimaeLossOptions {
  /** Weight of the mutual information, at least 0; 0.4 by default. */
  readonly lambda?: number;
  /** Weight of the pairing term, at least 0; 1 by default. */
  readonly beta?: number;
  /** Symmetrise the joint distribution before taking its mutual information; true by default. */
  readonly symmetrize?: boolean;
  /**
   * Over the classes of the pairing term: 'sum', as the formulas have it, by default. "Mean absolute error" may mean
   * 'mean', which makes the term C times smaller at the same beta.
   */
  readonly pairReduction?: PairReduction;
  /** MART's published constants in the boosted cross-entropy; false by default. */
  readonly martCompat?: boolean;
  /** The pairing term: 'l1' by default; 'mse' for the method's ablation. */
  readonly pairing?: 'l1' | 'mse';
  /** The classification term: 'bce' (boosted) by default; 'ce' for the method's ablation. */
  readonly classification?: 'bce' | 'ce';
}

/** The MIMAE-AT loss and its unweighted terms, all scalars. */
export interface MimaeTerms {
  /** classification - lambda mutualInformation + beta pairing: what to minimise. */
  readonly loss: Tensor;
  readonly classification: Tensor;
  /** In nats, of the batch. */
  readonly mutualInformation: Tensor;
  readonly pairing: Tensor;
}

/**
 * The loss of MIMAE-AT (Atsague, Fakorede, Tian 2021, eq. 11):
 * mean_i BCE(adversarial_i) - lambda MI(natural, adversarial) + beta mean_i ||adversarial_i - natural_i||_1.
 *
 * The mutual information is one number per batch and enters once. Throws an `ArgumentError` for a negative weight.
 */
export function mimaeLoss(
  natural: Tensor,
  adversarial: Tensor,
  labels: Tensor,
  options: MimaeLossOptions = {},
): MimaeTerms {
  const { lambda = 0.4, beta = 1, symmetrize = true, pairReduction = 'sum', martCompat = false } = options;
  checkWeight('mimaeLoss', 'lambda', lambda);
  checkWeight('mimaeLoss', 'beta', beta);
  const classification =
    options.classification === 'ce'
      ? crossEntropy(adversarial, labels)
      : boostedCrossEntropy(adversarial, labels, { martCompat });
  const mi = mutualInformation(natural, adversarial, { symmetrize });
  const pair = options.pairing === 'mse' ? msePairing : l1Pairing;
  const distance = pair(natural, adversarial, { reduction: pairReduction });
  const loss = add(sub(classification, mul(mi, lambda)), mul(distance, beta));
  return { loss, classification, mutualInformation: mi, pairing: distance };
}

/** Throws unless both are logits of one shape; gives m and C. */
function checkPair(name: string, natural: Tensor, adversarial: Tensor): [number, number] {
  const [m = 0, classes = 0] = natural.shape;
  if (natural.rank !== 2 || natural.size === 0 || !sameShape(natural.shape, adversarial.shape)) {
    throw new ShapeError(
      `${name}: natural logits ${formatShape(natural.shape)} and adversarial logits ${formatShape(adversarial.shape)}; ` +
        'expected two of one shape [m, C], m and C at least 1',
    );
  }
  return [m, classes];
}

function checkWeight(name: string, weight: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new ArgumentError(`${name}: ${weight} is ${value}; expected a finite number, at least 0`);
  }
}
