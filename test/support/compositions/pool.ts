import { adaptiveAvgPool2d, adaptiveMaxPool2d, type OutputSize, type Tensor } from '../../../engine/index.js';
import { at, build, input, type Reference } from '../reference.js';
import { nth, type Composition, type CompositionCase } from './composition.js';

/** `merge` of the elements of each window. */
function definition(to: readonly [number, number], merge: (values: number[]) => number): Reference {
  return ([given]) => {
    const x = input(given);
    const [n = 0, c = 0, h = 0, w = 0] = x.shape;
    const window = (o: number, from: number, count: number): number[] => {
      const [start, end] = [Math.floor((o * from) / count), Math.ceil(((o + 1) * from) / count)];
      return Array.from({ length: end - start }, (_, k) => start + k);
    };
    return build([n, c, ...to], ([image = 0, channel = 0, i = 0, j = 0]) =>
      merge(window(i, h, to[0]).flatMap((r) => window(j, w, to[1]).map((s) => at(x, [image, channel, r, s])))),
    );
  };
}

const CASES: [shape: number[], to: readonly [number, number]][] = [
  [
    [2, 3, 6, 8],
    [3, 2],
  ],
  [
    [2, 3, 7, 5],
    [1, 1],
  ],
  [
    [1, 2, 7, 5],
    [3, 2],
  ],
  [
    [1, 2, 5, 7],
    [5, 4],
  ],
  [
    [1, 1, 2, 3],
    [4, 5],
  ],
  [
    [1, 1, 1, 1],
    [1, 1],
  ],
];

const casesOf = (
  pool: (x: Tensor, outputSize: OutputSize) => Tensor,
  merge: (values: number[]) => number,
): CompositionCase[] =>
  CASES.map(([shape, to]) => ({
    label: `of [${shape.join()}] to [${to.join()}]`,
    shapes: [shape],
    call: (inputs) => pool(nth(inputs, 0), to),
    definition: definition(to, merge),
  }));

/** What engine/ops/adaptive-pool.ts makes of other ops. */
export const poolCompositions: readonly Composition[] = [
  {
    name: 'adaptiveAvgPool2d',
    summary: 'Means of windows that give a size.',
    cases: casesOf(adaptiveAvgPool2d, (values) => values.reduce((sum, value) => sum + value, 0) / values.length),
  },
  {
    name: 'adaptiveMaxPool2d',
    summary: 'Maxima of windows that give a size.',
    cases: casesOf(adaptiveMaxPool2d, (values) => Math.max(...values)),
  },
];
