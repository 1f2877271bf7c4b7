import {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  exp,
  klDiv,
  l1Loss,
  mseLoss,
  nllLoss,
  sigmoid,
  smoothL1Loss,
  square,
  tensor,
  type CrossEntropyOptions,
  type Reduction,
  type Tensor,
} from '../../../engine/index.js';
import { at, build, input, type NdArray } from '../reference.js';
import { logProbabilities } from '../references/softmax.js';
import { nth, type Composition, type CompositionCase } from './composition.js';

const REDUCTIONS: readonly Reduction[] = ['mean', 'sum', 'none'];
const total = ({ data }: NdArray): number => data.reduce((all, value) => all + value, 0);
const scalar = (value: number): NdArray => ({ shape: [], data: Float64Array.of(value) });
const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** Terms reduced by definition; the mean divides by `count`. */
function reduced(terms: NdArray, reduction: string, count = terms.data.length): NdArray {
  if (reduction === 'none') return terms;
  return scalar(reduction === 'sum' ? total(terms) : total(terms) / count);
}

/** A loss of the elements of two tensors; `call` puts the second into the target's domain, and so does `term`. */
function pairLoss(
  label: string,
  call: (x: Tensor, t: Tensor, reduction: Reduction) => Tensor,
  term: (x: number, t: number) => number,
): CompositionCase[] {
  return REDUCTIONS.flatMap((reduction) =>
    [[5, 7], [1], [2, 3, 2]].map((shape) => ({
      label: `${label}${reduction} of [${shape.join()}]`,
      shapes: [shape, shape],
      call: (inputs) => call(nth(inputs, 0), nth(inputs, 1), reduction),
      definition: ([x, t]) =>
        reduced(
          build(shape, (place) => term(at(input(x), place), at(input(t), place))),
          reduction,
        ),
    })),
  );
}

const weighted: CompositionCase = {
  label: 'with weights',
  shapes: [[4, 3], [4, 3], [3], [4, 1]],
  call: (inputs) => {
    const [weight, posWeight] = [exp(nth(inputs, 2)), exp(nth(inputs, 3))];
    const options = { weight, posWeight, reduction: 'sum' } as const;
    return binaryCrossEntropyWithLogits(nth(inputs, 0), sigmoid(nth(inputs, 1)), options);
  },
  definition: ([x, t, w, p]) =>
    scalar(
      total(
        build([4, 3], (place) => {
          const [target, s] = [logistic(at(input(t), place)), logistic(at(input(x), place))];
          const positive = Math.exp(at(input(p), place)) * target * Math.log(s);
          return -Math.exp(at(input(w), place)) * (positive + (1 - target) * Math.log(1 - s));
        }),
      ),
    ),
};

/** -sum_k w_k q_k ln p_k with the smoothed target q, and what each row counts for in the mean. */
function entropyRows(
  log: NdArray,
  labels: readonly number[],
  { ignoreIndex, labelSmoothing = 0 }: CrossEntropyOptions,
  weight: (k: number) => number,
): { rows: NdArray; count: number } {
  const [, classes = 0] = log.shape;
  const counted = labels.filter((label) => label !== ignoreIndex);
  const rows = build([labels.length], ([i = 0]) => {
    const label = labels[i] ?? 0;
    if (label === ignoreIndex) return 0;
    let sum = 0;
    for (let k = 0; k < classes; k++) {
      const target = (k === label ? 1 - labelSmoothing : 0) + labelSmoothing / classes;
      sum -= weight(k) * target * at(log, [i, k]);
    }
    return sum;
  });
  return { rows, count: counted.reduce((all, label) => all + weight(label), 0) };
}

const LABELS = [2, 0, -100, 3, 2, 1, -100, 0];

const VARIANTS: (Pick<CrossEntropyOptions, 'ignoreIndex' | 'labelSmoothing'> & { weighted: boolean })[] = [
  { weighted: false },
  { weighted: false, labelSmoothing: 1 },
  { ignoreIndex: -100, weighted: false },
  { ignoreIndex: 2, weighted: false },
  { ignoreIndex: -100, weighted: true },
  { ignoreIndex: -100, weighted: true, labelSmoothing: 0.2 },
  { ignoreIndex: -100, weighted: false, labelSmoothing: 0.2 },
  { weighted: true },
  { weighted: true, labelSmoothing: 0.2 },
];

/** Either loss of classes, with everything that rows can count for. */
function classLoss(entropy: boolean): CompositionCase[] {
  const usable = VARIANTS.filter(({ labelSmoothing }) => entropy || labelSmoothing === undefined);
  return REDUCTIONS.flatMap((reduction) =>
    usable.map(({ weighted: hasWeights, ...options }): CompositionCase => {
      // Where nothing is ignored, every label has to be one.
      const given = LABELS.map((label) => (options.ignoreIndex === -100 ? label : Math.max(label, 0)));
      return {
        label: `${reduction} ${JSON.stringify({ hasWeights, ...options })}`,
        shapes: hasWeights ? [[8, 4], [4]] : [[8, 4]],
        call: (inputs) => {
          const x = nth(inputs, 0);
          const target = tensor(given, { device: x.device, dtype: 'i32' });
          const all = { ...options, reduction, ...(hasWeights && { weight: exp(nth(inputs, 1)) }) };
          return entropy ? crossEntropy(x, target, all) : nllLoss(x, target, all);
        },
        definition: ([x, w]) => {
          const log = entropy ? logProbabilities(input(x), 1) : input(x);
          const { rows, count } = entropyRows(log, given, options, (k) => (w ? Math.exp(at(w, [k])) : 1));
          return reduced(rows, reduction, count);
        },
      };
    }),
  );
}

const maps: CompositionCase = {
  label: 'of maps',
  shapes: [
    [2, 3, 2, 2],
    [2, 2, 2],
  ],
  draws: [null, { dtype: 'i32', range: [0, 3] }],
  call: (inputs) => crossEntropy(nth(inputs, 0), nth(inputs, 1), { reduction: 'none' }),
  definition: ([x, labels]) => {
    const log = logProbabilities(input(x), 1);
    return build([2, 2, 2], ([n = 0, i = 0, j = 0]) => -at(log, [n, at(input(labels), [n, i, j]), i, j]));
  },
};

const soft = REDUCTIONS.map((reduction): CompositionCase => ({
  label: `of probabilities, ${reduction}`,
  shapes: [[5, 3], [5, 3], [3]],
  call: (inputs) => {
    const options = { reduction, labelSmoothing: 0.1, weight: exp(nth(inputs, 2)) };
    return crossEntropy(nth(inputs, 0), exp(nth(inputs, 1)), options);
  },
  definition: ([x, t, w]) => {
    const log = logProbabilities(input(x), 1);
    const rows = build([5], ([i = 0]) => {
      let sum = 0;
      for (let k = 0; k < 3; k++) {
        const target = 0.9 * Math.exp(at(input(t), [i, k])) + 0.1 / 3;
        sum -= Math.exp(at(input(w), [k])) * target * at(log, [i, k]);
      }
      return sum;
    });
    return reduced(rows, reduction);
  },
}));

/** What engine/ops/losses.ts and cross-entropy.ts make of other ops. */
export const lossCompositions: readonly Composition[] = [
  {
    name: 'mseLoss',
    summary: '(x - t)^2.',
    cases: pairLoss(
      '',
      (x, t, reduction) => mseLoss(x, t, { reduction }),
      (x, t) => (x - t) ** 2,
    ),
  },
  {
    name: 'l1Loss',
    summary: '|x - t|.',
    cases: pairLoss(
      '',
      (x, t, reduction) => l1Loss(x, t, { reduction }),
      (x, t) => Math.abs(x - t),
    ),
  },
  {
    name: 'smoothL1Loss',
    summary: '|x - t|, rounded off near 0.',
    cases: [1, 0.3, 0].flatMap((beta) =>
      pairLoss(
        `beta ${beta}, `,
        (x, t, reduction) => smoothL1Loss(x, t, { reduction, beta }),
        (x, t) => {
          const d = Math.abs(x - t);
          return d < beta ? d ** 2 / (2 * beta) : d - beta / 2;
        },
      ),
    ),
  },
  {
    name: 'klDiv',
    summary: 't (ln t - x), for log-probabilities x.',
    cases: [
      ...pairLoss(
        '',
        (x, t, reduction) => klDiv(x, square(t), { reduction }),
        (x, t) => t ** 2 * (Math.log(t ** 2) - x),
      ),
      ...pairLoss(
        'logTarget, ',
        (x, t, reduction) => klDiv(x, t, { reduction, logTarget: true }),
        (x, t) => Math.exp(t) * (t - x),
      ),
    ],
  },
  {
    name: 'binaryCrossEntropyWithLogits',
    summary: '-t ln s(x) - (1 - t) ln(1 - s(x)), s the sigmoid.',
    cases: [
      ...pairLoss(
        '',
        (x, t, reduction) => binaryCrossEntropyWithLogits(x, sigmoid(t), { reduction }),
        (x, t) => -logistic(t) * Math.log(logistic(x)) - (1 - logistic(t)) * Math.log(1 - logistic(x)),
      ),
      weighted,
    ],
  },
  { name: 'nllLoss', summary: 'Negative log-probability of the labels.', cases: classLoss(false) },
  {
    name: 'crossEntropy, reduced',
    summary: 'Cross-entropy with reduction, class weights, ignored labels, maps, or probabilities for labels.',
    cases: [...classLoss(true), maps, ...soft],
  },
];
