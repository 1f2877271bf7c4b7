import {
  batchNorm2d,
  groupNorm,
  instanceNorm2d,
  layerNorm,
  tensor,
  type SampleNormOptions,
  type Tensor,
} from '../../../engine/index.js';
import { at, build, forEachIndex, input, type NdArray, type Reference } from '../reference.js';
import { channelStatistics, normalise } from '../references/norm.js';
import { nth, type Composition, type CompositionCase } from './composition.js';

/**
 * (x - mean) / sqrt(variance + eps) * weight + bias: `line` names the elements that share statistics, `affine` the place of an
 * element's weight and bias.
 */
function definition(
  eps: number,
  line: (index: readonly number[]) => string,
  affine: (index: readonly number[]) => readonly number[],
): Reference {
  return ([given, weight, bias]) => {
    const x = input(given);
    const lines = new Map<string, number[]>();
    forEachIndex(x.shape, (index) => {
      const values = lines.get(line(index)) ?? [];
      values.push(at(x, index));
      lines.set(line(index), values);
    });
    const statistics = new Map([...lines].map(([key, values]) => [key, momentsOf(values)]));
    return build(x.shape, (index) => {
      const { mean, variance } = statistics.get(line(index)) ?? { mean: 0, variance: 0 };
      const normal = (at(x, index) - mean) / Math.sqrt(variance + eps);
      const part = (values: NdArray | undefined, otherwise: number): number =>
        values ? at(values, affine(index)) : otherwise;
      return normal * part(weight, 1) + part(bias, 0);
    });
  };
}

function momentsOf(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
}

interface Case {
  readonly label: string;
  readonly shape: number[];
  readonly affineShape: number[];
  readonly call: (x: Tensor, options: SampleNormOptions) => Tensor;
  readonly line: (index: readonly number[]) => string;
  readonly affine: (index: readonly number[]) => readonly number[];
}

const channel = (index: readonly number[]): readonly number[] => index.slice(1, 2);

const layer = (shape: number[], axes: number): Case => ({
  label: `of the last ${axes} axes of ${shape.join('x')}`,
  shape,
  affineShape: shape.slice(-axes),
  call: (x, options) => layerNorm(x, shape.slice(-axes), options),
  line: (index) => index.slice(0, -axes).join(),
  affine: (index) => index.slice(-axes),
});

const group = (shape: number[], groups: number): Case => ({
  label: `of ${shape.join('x')} in ${groups} groups`,
  shape,
  affineShape: shape.slice(1, 2),
  call: (x, options) => groupNorm(x, groups, options),
  line: ([n = 0, c = 0]) => `${n} ${Math.floor((c * groups) / (shape[1] ?? 1))}`,
  affine: channel,
});

const instance = (shape: number[]): Case => ({
  label: `of ${shape.join('x')}`,
  shape,
  affineShape: shape.slice(1, 2),
  call: (x, options) => instanceNorm2d(x, options),
  line: (index) => index.slice(0, 2).join(),
  affine: channel,
});

const casesOf = (cases: readonly Case[]): CompositionCase[] =>
  cases.flatMap(({ label, shape, affineShape, call, line, affine }) =>
    [true, false].map((scaled) => ({
      label: `${label}${scaled ? ', scaled and shifted' : ''}`,
      shapes: scaled ? [shape, affineShape, affineShape] : [shape],
      call: (inputs) => call(nth(inputs, 0), { weight: inputs[1] ?? null, bias: inputs[2] ?? null, eps: 1e-3 }),
      definition: definition(1e-3, line, affine),
    })),
  );

const RUNNING = { mean: [0.5, -1, 2], variance: [1.5, 0.25, 4] };

/** Planes that do and do not divide into vectors; one sample; planes of one element. */
const BATCHES = [
  [3, 2, 2, 2],
  [2, 3, 3, 3],
  [1, 2, 1, 5],
  [5, 1, 1, 1],
];

const batches = BATCHES.flatMap((shape) =>
  [true, false].map((training): CompositionCase => {
    const channels = shape[1] ?? 0;
    const eps = 1e-5;
    const [mean, variance] = [RUNNING.mean.slice(0, channels), RUNNING.variance.slice(0, channels)];
    return {
      label: `of [${shape.join()}], ${training ? 'training' : 'evaluation'}`,
      shapes: [shape, [channels], [channels]],
      call: (inputs) => {
        const [x, weight, bias] = [nth(inputs, 0), nth(inputs, 1), nth(inputs, 2)];
        const [runningMean, runningVar] = [mean, variance].map((values) => tensor(values, { device: x.device }));
        return runningMean && runningVar ? batchNorm2d(x, { weight, bias, training, eps, runningMean, runningVar }) : x;
      },
      definition: (inputs) => {
        const own = training ? channelStatistics(input(inputs[0])) : { mean, variance };
        return normalise(inputs, own.mean, own.variance, eps);
      },
    };
  }),
);

/** What engine/ops/norm.ts and norm-groups.ts make of the normalisation of channels. */
export const normCompositions: readonly Composition[] = [
  {
    name: 'batchNorm2d',
    summary: 'Batch normalisation, by the batch or by running statistics.',
    cases: batches,
  },
  {
    name: 'layerNorm',
    summary: 'Normalisation over the last axes.',
    cases: casesOf([layer([3, 7], 1), layer([2, 3, 4], 2), layer([5], 1), layer([2, 1], 1)]),
  },
  {
    name: 'groupNorm',
    summary: 'Normalisation over groups of channels.',
    cases: casesOf([group([2, 6, 3, 5], 3), group([1, 4, 2, 2], 1), group([3, 4], 2)]),
  },
  {
    name: 'instanceNorm2d',
    summary: 'Normalisation over each plane.',
    cases: casesOf([instance([2, 3, 4, 5]), instance([1, 2, 1, 3])]),
  },
];
