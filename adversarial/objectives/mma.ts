import { ArgumentError } from '../../engine/errors.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { add, div, logicalAnd, logicalNot, lt, maximum, mul, to, where } from '../../engine/ops/elementwise.js';
import { zerosLike } from '../../engine/ops/create.js';
import { mean, sum } from '../../engine/ops/reduce.js';
import type { Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { searchMargins } from './margin-search.js';
import { checkPositive, crossEntropyAtUniform, needed, type Objective } from './objective.js';
import { softLogitMargin } from './soft-logit-margin.js';

/** Options of {@link mma}. */
export interface MmaOptions {
  /** The margin up to which samples are pushed, an Linf radius in units of the data; 0.45 unless told. */
  readonly dMax?: number;
  /** The least eps that a sample's search begins with, and its first; 0.1 unless told. */
  readonly minEps?: number;
  /** Steps of the attack; 40 unless told. */
  readonly steps?: number;
  /** Steps of the bisection; 10 unless told. */
  readonly searchSteps?: number;
  /** Weight of the natural cross-entropy, 0 to 1; the rest is the margin's. A third unless told. */
  readonly cleanWeight?: number;
}

/** The defaults of {@link mma}: the published code's for MNIST, with the largest of its margins. */
export const MMA_DEFAULTS: Required<MmaOptions> = {
  dMax: 0.45,
  minEps: 0.1,
  steps: 40,
  searchSteps: 10,
  cleanWeight: 1 / 3,
};

/** How far past `dMax` a margin is looked for, as a factor. */
const BEYOND = 1.05;

/**
 * Max-margin adversarial training: Ding, Sharma, Lui and Huang, "MMA training: direct input space margin maximization through adversarial
 * training", ICLR 2020, algorithm 2, within Linf balls. A sample is recognised where the soft logit margin of its natural logits, of the
 * pass in training mode, is below 0. Of those, `searchMargins` finds the margin d_i and the image x'_i there, beginning with the margin of the
 * last epoch (at least `minEps`), up to 1.05 `dMax`; its bisection runs in training mode. With z' the logits of the batch in which x'_i
 * replaces x_i,
 *
 *     w CE(z, y) + (1 - w) (1/m) sum_i { CE(z'_i, y_i) where recognised and d_i < dMax;  CE(z'_i, y_i) where not recognised }
 *
 * with w the `cleanWeight`. A sample that is not recognised has margin 0. The run's attack plays no part.
 *
 * Terms: `ce` (nats, of the natural images), `marginLoss` and `wrongLoss` (nats, the two parts of the sum), `margin` (mean of d_i in units
 * of the data), `belowMax` (part of the samples, 0 to 1, that are recognised with a margin below `dMax`).
 *
 * Throws an `ArgumentError` for radii that are not above 0, a `minEps` over `dMax`, steps that are no integers from 1 up, or a `cleanWeight`
 * outside [0, 1].
 */
export function mma(options: MmaOptions = {}): Objective {
  const settings = { ...MMA_DEFAULTS, ...options };
  const { dMax, minEps, steps, searchSteps, cleanWeight } = settings;
  for (const name of ['dMax', 'minEps'] as const) checkPositive('mma', name, settings[name]);
  for (const name of ['steps', 'searchSteps'] as const) checkCount('mma', name, settings[name]);
  if (minEps > dMax) throw new ArgumentError(`mma: minEps is ${minEps}, more than dMax ${dMax}; give a smaller one`);
  if (!(cleanWeight >= 0 && cleanWeight <= 1)) {
    throw new ArgumentError(`mma: cleanWeight is ${cleanWeight}; expected a part, 0 to 1`);
  }
  return {
    name: 'mma',
    options: { ...settings },
    needs: { natural: true, adversarial: true },
    classification: { term: 'ce', atUniform: crossEntropyAtUniform },
    remembers: { initial: minEps },
    craft: ({ model, x, labels, logits, remembered, ...run }) => {
      const natural = needed('mma', 'natural', logits);
      const eps = maximum(neededMargins(remembered), minEps);
      const search = { eps, maxEps: BEYOND * dMax, steps, searchSteps, among: isRecognised(natural, labels) };
      const { images, margins } = searchMargins(model, x, labels, { ...run, ...search });
      return { images, remembered: margins };
    },
    loss: (logits, labels, remembered) => {
      const natural = needed('mma', 'natural', logits);
      const margins = neededMargins(remembered);
      const recognised = isRecognised(natural.detach(), labels);
      const counted = logicalAnd(recognised, lt(margins, dMax));
      const rows = crossEntropy(needed('mma', 'adversarial', logits), labels, { reduction: 'none' });
      const meanWhere = (which: Tensor): Tensor => div(sum(where(which, rows, zerosLike(rows))), rows.size);
      const [marginLoss, wrongLoss] = [meanWhere(counted), meanWhere(logicalNot(recognised))];
      const ce = crossEntropy(natural, labels);
      const total = add(mul(ce, cleanWeight), mul(add(marginLoss, wrongLoss), 1 - cleanWeight));
      const terms = { ce, marginLoss, wrongLoss, margin: mean(margins), belowMax: mean(to(counted, 'f32')) };
      return { total, terms };
    },
  };
}

function isRecognised(natural: Tensor, labels: Tensor): Tensor {
  return lt(softLogitMargin(natural, labels), 0);
}

function neededMargins(remembered: Tensor | undefined): Tensor {
  if (!remembered) throw new ArgumentError("mma: needs the samples' margins, which were not given");
  return remembered;
}
