import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  DTypeError,
  ShapeError,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  exp,
  klDiv,
  l1Loss,
  logSoftmax,
  mseLoss,
  nllLoss,
  sigmoid,
  smoothL1Loss,
  square,
  tensor,
  zeros,
  type CrossEntropyOptions,
  type Device,
  type Reduction,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { expectDerivatives, expectForward, type OpCheck } from '../support/op-check.js';
import { at, build, input, type NdArray } from '../support/reference.js';
import { logProbabilities } from '../support/references/softmax.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const REDUCTIONS: readonly Reduction[] = ['mean', 'sum', 'none'];
const total = ({ data }: NdArray): number => data.reduce((all, value) => all + value, 0);
const scalar = (value: number): NdArray => ({ shape: [], data: Float64Array.of(value) });

/** Terms reduced by definition; the mean divides by `count`. */
function reduced(terms: NdArray, reduction: string, count = terms.data.length): NdArray {
  if (reduction === 'none') return terms;
  return scalar(reduction === 'sum' ? total(terms) : total(terms) / count);
}

/** A loss of two tensors of a shape, which `prepare` (and its definition) puts into the target's domain. */
interface PairLoss {
  readonly name: string;
  readonly call: (x: Tensor, t: Tensor, reduction: Reduction) => Tensor;
  readonly term: (x: number, t: number) => number;
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

const pairLosses: readonly PairLoss[] = [
  { name: 'mseLoss', call: (x, t, reduction) => mseLoss(x, t, { reduction }), term: (x, t) => (x - t) ** 2 },
  { name: 'l1Loss', call: (x, t, reduction) => l1Loss(x, t, { reduction }), term: (x, t) => Math.abs(x - t) },
  ...[1, 0.3, 0].map((beta) => ({
    name: `smoothL1Loss with beta ${beta}`,
    call: (x: Tensor, t: Tensor, reduction: Reduction) => smoothL1Loss(x, t, { reduction, beta }),
    term: (x: number, t: number) => {
      const d = Math.abs(x - t);
      return d < beta ? d ** 2 / (2 * beta) : d - beta / 2;
    },
  })),
  {
    name: 'klDiv',
    call: (x, t, reduction) => klDiv(x, square(t), { reduction }),
    term: (x, t) => t ** 2 * (Math.log(t ** 2) - x),
  },
  {
    name: 'klDiv with logTarget',
    call: (x, t, reduction) => klDiv(x, t, { reduction, logTarget: true }),
    term: (x, t) => Math.exp(t) * (t - x),
  },
  {
    name: 'binaryCrossEntropyWithLogits',
    call: (x, t, reduction) => binaryCrossEntropyWithLogits(x, sigmoid(t), { reduction }),
    term: (x, t) => -logistic(t) * Math.log(logistic(x)) - (1 - logistic(t)) * Math.log(1 - logistic(x)),
  },
];

describe('losses of two tensors', () => {
  const checks = pairLosses.flatMap(({ name, call, term }) =>
    REDUCTIONS.flatMap((reduction) =>
      [[5, 7], [1], [2, 3, 2]].map((shape): OpCheck => ({
        name: `${name}, ${reduction}, of ${shape.join('x')}`,
        shapes: [shape, shape],
        call: ([x, t]) => (x && t ? call(x, t, reduction) : undefined),
        definition: ([x, t]) =>
          reduced(
            build(shape, (place) => term(at(input(x), place), at(input(t), place))),
            reduction,
          ),
      })),
    ),
  );

  it.each(checks)('$name', async (check) => {
    await expectForward(device, check);
    await expectDerivatives(device, check);
  });

  it('weigh elements and positive targets where told', async () => {
    const check: OpCheck = {
      name: 'weighted',
      shapes: [[4, 3], [4, 3], [3], [4, 1]],
      call: ([x, t, w, p]) =>
        x && t && w && p
          ? binaryCrossEntropyWithLogits(x, sigmoid(t), { weight: exp(w), posWeight: exp(p), reduction: 'sum' })
          : undefined,
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
    await expectForward(device, check);
    await expectDerivatives(device, check);
  });

  it('stay finite where probabilities are 0 or 1', async () => {
    const [x, t] = [tensor([-200, 200, 0], { device }), tensor([0, 1, 0], { device })];
    const bce = await binaryCrossEntropyWithLogits(x, t, { reduction: 'none' }).data();
    expect([...bce]).toEqual([0, 0, expect.closeTo(Math.LN2, 6)]);
    const wrong = binaryCrossEntropyWithLogits(x, tensor([1, 0, 0.5], { device }), { reduction: 'none' });
    expect([...(await wrong.data())]).toEqual([200, 200, expect.closeTo(Math.LN2, 6)]);
    const divergence = await klDiv(x, t, { reduction: 'none' }).data();
    expect([...divergence].map((value) => value + 0)).toEqual([0, -200, 0]);
  });

  it('is the divergence itself by batchmean', async () => {
    const p = logSoftmax(
      tensor(
        [
          [1, 2, 3],
          [0, 0, 5],
        ],
        { device },
      ),
    );
    expect(await klDiv(p, p, { reduction: 'batchmean', logTarget: true }).item()).toBe(0);
    const uniform = tensor(
      [
        [1 / 3, 1 / 3, 1 / 3],
        [0, 0, 1],
      ],
      { device },
    );
    const rows = [
      [1, 2, 3],
      [0, 0, 5],
    ].map((z) => {
      const sum = z.reduce((all, value) => all + Math.exp(value), 0);
      return z.map((value) => value - Math.log(sum));
    });
    const [first = [], second = []] = rows;
    const expected = (first.reduce((all, value) => all - (value + Math.log(3)) / 3, 0) - (second[2] ?? 0)) / 2;
    expect(await klDiv(p, uniform, { reduction: 'batchmean' }).item()).toBeCloseTo(expected, 6);
  });

  it('refuse shapes, dtypes and options that do not fit', () => {
    const x = zeros([2, 3], { device });
    expect(() => mseLoss(x, zeros([3], { device }))).toThrow(
      /mseLoss: input \[2, 3\] with target \[3\]; expected one shape/,
    );
    expect(() => l1Loss(x, zeros([2, 3], { device, dtype: 'i32' }))).toThrow(DTypeError);
    expect(() => smoothL1Loss(x, x, { beta: -1 })).toThrow(/smoothL1Loss: beta -1; expected a finite number from 0 up/);
    expect(() => klDiv(x, zeros([2], { device }))).toThrow(ShapeError);
  });
});

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

describe('crossEntropy and nllLoss', () => {
  const labels = [2, 0, -100, 3, 2, 1, -100, 0];
  const shape = [8, 4];
  const variants: (Pick<CrossEntropyOptions, 'ignoreIndex' | 'labelSmoothing'> & { weighted: boolean })[] = [
    { ignoreIndex: -100, weighted: false },
    { ignoreIndex: 2, weighted: false },
    { ignoreIndex: -100, weighted: true },
    { ignoreIndex: -100, weighted: true, labelSmoothing: 0.2 },
    { ignoreIndex: -100, weighted: false, labelSmoothing: 0.2 },
    { weighted: true },
    { weighted: true, labelSmoothing: 0.2 },
  ];
  const checks = REDUCTIONS.flatMap((reduction) =>
    variants.flatMap(({ weighted, ...options }) => {
      // Where nothing is ignored, every label has to be one.
      const given = labels.map((label) => (options.ignoreIndex === -100 ? label : Math.max(label, 0)));
      return [true, false].map((entropy): OpCheck => ({
        name: `${entropy ? 'crossEntropy' : 'nllLoss'}, ${reduction}, ${JSON.stringify({ weighted, ...options })}`,
        shapes: [shape, [4]],
        call: ([x, w]) => {
          if (!x || !w) return undefined;
          const all = { ...options, reduction, ...(weighted && { weight: exp(w) }) };
          const target = tensor(given, { device, dtype: 'i32' });
          return entropy ? crossEntropy(x, target, all) : nllLoss(x, target, all);
        },
        definition: ([x, w]) => {
          const log = entropy ? logProbabilities(input(x), 1) : input(x);
          const weight = (k: number): number => (weighted ? Math.exp(at(input(w), [k])) : 1);
          const { rows, count } = entropyRows(
            log,
            given,
            entropy ? options : { ...options, labelSmoothing: 0 },
            weight,
          );
          return reduced(rows, reduction, count);
        },
      }));
    }),
  ).map((check) => ({ ...check, unweighted: check.name.includes('"weighted":false') }));

  it.each(checks)('$name', async ({ unweighted, ...check }) => {
    await expectForward(device, check);
    // Weights that are not used have no gradient.
    const used: OpCheck = unweighted
      ? { ...check, shapes: [shape], call: ([x]) => check.call([x, zeros([4], { device })].flatMap((t) => t ?? [])) }
      : check;
    await expectDerivatives(device, used);
  });

  it('take maps of logits with maps of labels', async () => {
    const check: OpCheck = {
      name: 'maps',
      shapes: [[2, 3, 2, 2]],
      call: ([x]) => {
        const target = tensor([0, 1, 2, 1, 1, 0, 0, 2], { device, dtype: 'i32', shape: [2, 2, 2] });
        return x && crossEntropy(x, target, { reduction: 'none' });
      },
      definition: ([x]) => {
        const log = logProbabilities(input(x), 1);
        const target = [0, 1, 2, 1, 1, 0, 0, 2];
        return build([2, 2, 2], ([n = 0, i = 0, j = 0]) => -at(log, [n, target[4 * n + 2 * i + j] ?? 0, i, j]));
      },
    };
    await expectForward(device, check);
    await expectDerivatives(device, check);
  });

  it.each(REDUCTIONS)('take probabilities for labels, %s', async (reduction) => {
    const check: OpCheck = {
      name: 'soft',
      shapes: [[5, 3], [5, 3], [3]],
      call: ([x, t, w]) =>
        x && t && w ? crossEntropy(x, exp(t), { reduction, labelSmoothing: 0.1, weight: exp(w) }) : undefined,
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
    };
    await expectForward(device, check);
    await expectDerivatives(device, check);
  });

  it('give 0 for the mean of rows that are all ignored', async () => {
    const [x, y] = [zeros([2, 3], { device }), tensor([-1, -1], { device, dtype: 'i32' })];
    expect(await crossEntropy(x, y, { ignoreIndex: -1 }).item()).toBe(0);
  });

  it('refuse weights and targets that do not fit', () => {
    const [x, y] = [zeros([2, 3], { device }), zeros([2], { device, dtype: 'i32' })];
    expect(() => crossEntropy(x, y, { weight: zeros([2], { device }) })).toThrow(
      /crossEntropy: weight of shape \[2\] for 3 classes; expected \[C\]/,
    );
    expect(() => nllLoss(x, y, { weight: y })).toThrow(/nllLoss: weight: got a tensor of dtype i32; expected f32/);
    expect(() => crossEntropy(x, zeros([2, 4], { device }))).toThrow(
      /with probabilities \[2, 4\]; expected both \[m, C/,
    );
    expect(() => crossEntropy(x, x, { ignoreIndex: 0 })).toThrow(ArgumentError);
    expect(() => crossEntropy(zeros([2, 3, 4], { device }), y)).toThrow(/expected \[m, C, \.\.\.\] and \[m, \.\.\.\]/);
  });
});
