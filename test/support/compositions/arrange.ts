import {
  chunk,
  embedding,
  flatten,
  flip,
  oneHot,
  pad,
  repeat,
  split,
  squeeze,
  stack,
  tile,
  transpose,
  unsqueeze,
  type PadMode,
} from '../../../engine/index.js';
import { at, build, input, type NdArray, type Reference } from '../reference.js';
import { nth, type Composition, type CompositionCase } from './composition.js';

/** The element of `x` at a place that may lie outside, by the definition of the mode. */
function outside(x: NdArray, place: readonly number[], mode: PadMode, value: number): number {
  if (mode === 'constant') {
    return place.every((k, axis) => k >= 0 && k < (x.shape[axis] ?? 0)) ? at(x, place) : value;
  }
  const moved = place.map((k, axis) => {
    const size = x.shape[axis] ?? 1;
    if (mode === 'replicate') return Math.min(Math.max(k, 0), size - 1);
    if (mode === 'circular') return ((k % size) + size) % size;
    const period = Math.max(1, 2 * (size - 1));
    const within = ((k % period) + period) % period;
    return within < size ? within : period - within;
  });
  return at(x, moved);
}

const PADS: { shape: number[]; padding: number[]; mode: PadMode; value?: number }[] = [
  { shape: [2, 3], padding: [1, 2], mode: 'constant' },
  { shape: [1, 2, 3, 5], padding: [4, 4, 4, 4], mode: 'constant' },
  { shape: [2, 3], padding: [0, 1, 2, 0], mode: 'constant', value: -7.5 },
  { shape: [4, 5], padding: [-1, 2, -2, -1], mode: 'constant', value: 1 },
  { shape: [0, 3], padding: [1, 1, 2, 0], mode: 'constant', value: 3 },
  { shape: [3, 5], padding: [4, 2, 1, 2], mode: 'reflect' },
  { shape: [1, 2, 4, 3], padding: [2, 0, -1, 3], mode: 'reflect' },
  { shape: [2, 3], padding: [5, 1, 0, 9], mode: 'replicate' },
  { shape: [2, 3], padding: [-1, 4], mode: 'replicate' },
  { shape: [3, 4], padding: [4, 1, 2, 3], mode: 'circular' },
];

const padded = PADS.map(({ shape, padding, mode, value = 0 }): CompositionCase => {
  const before = (axis: number): number => padding[2 * (shape.length - 1 - axis)] ?? 0;
  const after = (axis: number): number => padding[2 * (shape.length - 1 - axis) + 1] ?? 0;
  return {
    label: `[${shape.join()}] by [${padding.join()}], ${mode}`,
    shapes: [shape],
    call: (inputs) => pad(nth(inputs, 0), padding, { mode, value }),
    definition: ([x]) =>
      build(
        shape.map((size, axis) => before(axis) + size + after(axis)),
        (place) => {
          const from = place.map((k, axis) => k - before(axis));
          return outside(input(x), from, mode, value);
        },
      ),
  };
});

/** Copies that take each element of the result from a place in `x`. */
function picking(
  label: string,
  shape: number[],
  call: CompositionCase['call'],
  result: number[],
  from: (place: readonly number[]) => readonly number[],
): CompositionCase {
  return {
    label,
    shapes: [shape],
    call,
    definition: ([x]) => build(result, (place) => at(input(x), from(place))),
  };
}

const tiled = (
  [
    { shape: [3], counts: [2] },
    { shape: [2, 3], counts: [2] },
    { shape: [3], counts: [2, 2] },
    { shape: [2, 1, 3], counts: [3, 2, 1] },
    { shape: [2], counts: [0, 3] },
  ] as const
).map(({ shape, counts }) => {
  const rank = Math.max(shape.length, counts.length);
  const lead = (list: readonly number[]): number[] => [...Array<number>(rank - list.length).fill(1), ...list];
  const [sizes, times] = [lead(shape), lead(counts)];
  return picking(
    `[${shape.join()}] by [${counts.join()}]`,
    [...shape],
    (inputs) => tile(nth(inputs, 0), counts),
    sizes.map((size, axis) => size * (times[axis] ?? 1)),
    (place) => place.map((k, axis) => k % (sizes[axis] ?? 1)).slice(rank - shape.length),
  );
});

/** The parts of an array along an axis, which start at `starts`. */
function parts(shape: readonly number[], axis: number, sizes: readonly number[]): Reference[] {
  return sizes.map((size, index) => {
    const start = sizes.slice(0, index).reduce((total, each) => total + each, 0);
    return ([x]) =>
      build(shape.with(axis, size), (place) => at(input(x), place.with(axis, (place[axis] ?? 0) + start)));
  });
}

const table = (paddingIdx?: number): CompositionCase => ({
  label: paddingIdx === undefined ? 'of [2, 3] places' : 'with a padding row',
  shapes: [
    [5, 4],
    [2, 3],
  ],
  draws: [null, { dtype: 'i32', range: [0, paddingIdx ?? 5] }],
  call: (inputs) => embedding(nth(inputs, 1), nth(inputs, 0), paddingIdx === undefined ? {} : { paddingIdx }),
  definition: ([weight, indices]) =>
    build([2, 3, 4], ([i = 0, j = 0, k = 0]) => at(input(weight), [at(input(indices), [i, j]), k])),
});

/** What engine/ops/arrange.ts, movement.ts and indexing.ts make of other ops. */
export const arrangeCompositions: readonly Composition[] = [
  {
    name: 'pad',
    summary: 'Places added around: a value, the mirror image, the edge, or the other end.',
    cases: padded,
  },
  {
    name: 'flip',
    summary: 'Axes walked backwards.',
    cases: [
      picking(
        'all of [2, 3]',
        [2, 3],
        (x) => flip(nth(x, 0)),
        [2, 3],
        ([i = 0, j = 0]) => [1 - i, 2 - j],
      ),
      picking(
        'one axis',
        [2, 3, 2],
        (x) => flip(nth(x, 0), 1),
        [2, 3, 2],
        ([i = 0, j = 0, k = 0]) => [i, 2 - j, k],
      ),
    ],
  },
  {
    name: 'split',
    summary: 'Parts along an axis, of one size or of several.',
    cases: [
      {
        label: 'by 2',
        shapes: [[5, 2]],
        call: (x) => split(nth(x, 0), 2),
        definition: parts([5, 2], 0, [2, 2, 1]),
      },
      {
        label: 'by a list',
        shapes: [[2, 3]],
        call: (x) => split(nth(x, 0), [1, 0, 2], 1),
        definition: parts([2, 3], 1, [1, 0, 2]),
      },
    ],
  },
  {
    name: 'chunk',
    summary: 'At most so many parts of equal size along an axis.',
    cases: [
      { label: 'in 3', shapes: [[7]], call: (x) => chunk(nth(x, 0), 3), definition: parts([7], 0, [3, 3, 1]) },
      { label: 'in 4', shapes: [[6]], call: (x) => chunk(nth(x, 0), 4), definition: parts([6], 0, [2, 2, 2]) },
    ],
  },
  { name: 'tile', summary: 'Copies side by side along each axis.', cases: tiled },
  {
    name: 'repeat',
    summary: 'The same, with a count for each axis.',
    cases: [
      picking(
        '[2] by [2, 3]',
        [2],
        (x) => repeat(nth(x, 0), [2, 3]),
        [2, 6],
        ([, j = 0]) => [j % 2],
      ),
    ],
  },
  {
    name: 'stack',
    summary: 'Tensors of one shape along a new axis.',
    cases: [0, 1, -1].map((axis): CompositionCase => {
      const place = (axis + 3) % 3;
      return {
        label: `along axis ${axis}`,
        shapes: [
          [2, 3],
          [2, 3],
        ],
        call: (inputs) => stack(inputs, axis),
        definition: (arrays) =>
          build([2, 3].toSpliced(place, 0, 2), (index) =>
            at(input(arrays[index[place] ?? 0]), index.toSpliced(place, 1)),
          ),
      };
    }),
  },
  {
    name: 'transpose',
    summary: 'Two axes exchanged.',
    cases: [
      picking(
        'the last two',
        [2, 3, 4],
        (x) => transpose(nth(x, 0)),
        [2, 4, 3],
        ([i = 0, j = 0, k = 0]) => [i, k, j],
      ),
    ],
  },
  {
    name: 'flatten',
    summary: 'Several axes merged into one.',
    cases: [
      picking(
        'the last two',
        [2, 3, 4],
        (x) => flatten(nth(x, 0), 1),
        [2, 12],
        ([i = 0, j = 0]) => [i, Math.floor(j / 4), j % 4],
      ),
    ],
  },
  {
    name: 'squeeze',
    summary: 'An axis of size 1 dropped.',
    cases: [
      picking(
        'the middle',
        [2, 1, 3],
        (x) => squeeze(nth(x, 0), 1),
        [2, 3],
        ([i = 0, j = 0]) => [i, 0, j],
      ),
    ],
  },
  {
    name: 'unsqueeze',
    summary: 'An axis of size 1 inserted.',
    cases: [
      picking(
        'the middle',
        [2, 3],
        (x) => unsqueeze(nth(x, 0), 1),
        [2, 1, 3],
        ([i = 0, , j = 0]) => [i, j],
      ),
    ],
  },
  { name: 'embedding', summary: 'Rows of a table.', cases: [table(), table(4)] },
  {
    name: 'oneHot',
    summary: 'Rows with a 1 at the label.',
    differentiable: false,
    cases: [
      {
        label: 'of 4 classes',
        shapes: [[3, 2]],
        draws: [{ dtype: 'i32', range: [0, 4] }],
        call: (x) => oneHot(nth(x, 0), 4),
        definition: ([labels]) => build([3, 2, 4], ([i = 0, j = 0, k = 0]) => Number(at(input(labels), [i, j]) === k)),
      },
    ],
  },
];
