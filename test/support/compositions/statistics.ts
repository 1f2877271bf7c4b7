import {
  all,
  any,
  norm,
  prod,
  std,
  topk,
  variance,
  type NormOptions,
  type Tensor,
  type VarianceOptions,
} from '../../../engine/index.js';
import { build, forEachIndex, input, type Reference } from '../reference.js';
import { nth, type Composition, type CompositionCase } from './composition.js';

/** `combine` of the elements that share all coordinates but those of `axes`. */
function over(axes: readonly number[], keepDim: boolean, combine: (values: readonly number[]) => number): Reference {
  return ([x]) => {
    const groups = new Map<string, number[]>();
    forEachIndex(input(x).shape, (index, flat) => {
      const key = index.map((place, axis) => (axes.includes(axis) ? 0 : place)).join();
      groups.set(key, [...(groups.get(key) ?? []), input(x).data[flat] ?? Number.NaN]);
    });
    const kept = input(x).shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const result = build(kept, (index) => combine(groups.get(index.join()) ?? []));
    return keepDim ? result : { shape: kept.filter((_, axis) => !axes.includes(axis)), data: result.data };
  };
}

const spread = (values: readonly number[], correction: number): number => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((total, value) => total + (value - mean) ** 2, 0) / (values.length - correction);
};

const pNorm = (values: readonly number[], p: number): number => {
  if (p === 0) return values.filter((value) => value !== 0).length;
  if (p === Infinity) return Math.max(...values.map(Math.abs));
  return values.reduce((total, value) => total + Math.abs(value) ** p, 0) ** (1 / p);
};

const PLACES = [
  { shape: [7], axes: [0] },
  { shape: [3, 4, 5], axes: [1] },
  { shape: [3, 4, 5], axes: [0, 2] },
  { shape: [1, 6], axes: [1] },
];

/** A function on every place, with each of its options. */
function everywhere<O extends { readonly keepDim?: boolean }>(
  options: readonly O[],
  call: (x: Tensor, axes: readonly number[], options: O) => Tensor,
  combine: (values: readonly number[], options: O) => number,
  rest: Partial<CompositionCase> = {},
): CompositionCase[] {
  return PLACES.flatMap(({ shape, axes }) =>
    options.map((each) => ({
      label: `over [${axes.join()}] of [${shape.join()}] with ${JSON.stringify(each)}`,
      shapes: [shape],
      call: (inputs) => call(nth(inputs, 0), axes, each),
      definition: over(axes, each.keepDim ?? false, (values) => combine(values, each)),
      ...rest,
    })),
  );
}

const VARIANCES: readonly VarianceOptions[] = [{}, { correction: 0, keepDim: true }];
const NORMS: readonly NormOptions[] = [0, 0.5, 1, 1.5, 2, 3, Infinity].map((p) => ({ p, keepDim: p === 2 }));
const KEPT = [{ keepDim: false }, { keepDim: true }];
const FLAGS = { draws: [{ dtype: 'bool', range: [0, 2] }] } as const;

/** What engine/ops/statistics.ts and sort.ts make of other ops. */
export const statisticsCompositions: readonly Composition[] = [
  {
    name: 'variance',
    summary: 'Mean squared deviation over axes, with a correction of the count.',
    cases: everywhere(VARIANCES, variance, (values, { correction = 1 }) => spread(values, correction)),
  },
  {
    name: 'std',
    summary: 'The square root of the variance.',
    cases: everywhere(VARIANCES, std, (values, { correction = 1 }) => Math.sqrt(spread(values, correction))),
  },
  {
    name: 'norm',
    summary: 'The p-norm over axes.',
    // Away from 0, where powers below 2 have no second derivative.
    cases: everywhere(
      NORMS,
      (x, axes, options) => norm(x, { ...options, axes }),
      (values, { p = 2 }) => pNorm(values, p),
      { domain: [0.2, 2] },
    ),
  },
  {
    name: 'prod',
    summary: 'The product over axes.',
    cases: everywhere(KEPT, prod, (values) => values.reduce((product, value) => product * value, 1)),
  },
  {
    name: 'any',
    summary: 'Whether any element over axes holds.',
    differentiable: false,
    cases: everywhere(KEPT, any, (values) => Number(values.some((value) => value !== 0)), FLAGS),
  },
  {
    name: 'all',
    summary: 'Whether all elements over axes hold.',
    differentiable: false,
    cases: everywhere(KEPT, all, (values) => Number(values.every((value) => value !== 0)), FLAGS),
  },
  {
    name: 'topk',
    summary: 'The k largest elements along an axis, or the smallest, and where they are.',
    cases: [true, false].map((largest) => {
      const ranked = (values: readonly number[]): number[] =>
        values.map((_, at) => at).sort((a, b) => ((values[b] ?? 0) - (values[a] ?? 0)) * (largest ? 1 : -1) || a - b);
      const row = (x: Parameters<Reference>[0][number] | undefined, i: number): number[] => [
        ...input(x).data.slice(9 * i, 9 * i + 9),
      ];
      return {
        label: largest ? 'largest' : 'smallest',
        shapes: [[3, 9]],
        call: (inputs) => {
          const { values, indices } = topk(nth(inputs, 0), 4, -1, { largest });
          return [values, indices];
        },
        definition: [
          ([x]) => build([3, 4], ([i = 0, j = 0]) => row(x, i)[ranked(row(x, i))[j] ?? 0] ?? Number.NaN),
          ([x]) => build([3, 4], ([i = 0, j = 0]) => ranked(row(x, i))[j] ?? Number.NaN),
        ],
      };
    }),
  },
];
