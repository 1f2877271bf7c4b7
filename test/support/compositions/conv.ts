import { conv2d, convTranspose2d } from '../../../engine/index.js';
import type { ConvTranspose2dOptions } from '../../../engine/ops/conv-transpose.js';
import { at, build, forEachIndex, input, sizeOf, type Reference } from '../reference.js';
import { nth, type Composition, type CompositionCase } from './composition.js';

type Two = readonly [number, number];
const both = (value: number | Two): Two => (typeof value === 'number' ? [value, value] : value);

/** Every input place adds its value times the kernel to the output at stride times the place, less the padding. */
function definition(options: ConvTranspose2dOptions): Reference {
  const { stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1 } = options;
  const [s, p, o, d] = [both(stride), both(padding), both(outputPadding), both(dilation)];
  return ([xGiven, wGiven, bias]) => {
    const [x, weight] = [input(xGiven), input(wGiven)];
    const [n = 0, channels = 0, h = 0, w = 0] = x.shape;
    const [, perGroup = 0, kh = 0, kw = 0] = weight.shape;
    const extent = (axis: 0 | 1, size: number, taps: number): number =>
      (size - 1) * s[axis] - 2 * p[axis] + d[axis] * (taps - 1) + o[axis] + 1;
    const shape = [n, perGroup * groups, extent(0, h, kh), extent(1, w, kw)];
    const [, , height = 0, width = 0] = shape;
    const data = new Float64Array(sizeOf(shape));
    forEachIndex([n, channels, h, w, perGroup, kh, kw], (index) => {
      const [image = 0, c = 0, i = 0, j = 0, k = 0, r = 0, q = 0] = index;
      const [row, column] = [i * s[0] - p[0] + r * d[0], j * s[1] - p[1] + q * d[1]];
      if (row < 0 || row >= height || column < 0 || column >= width) return;
      const out = Math.floor((c * groups) / channels) * perGroup + k;
      const flat = ((image * perGroup * groups + out) * height + row) * width + column;
      data[flat] = (data[flat] ?? 0) + at(x, [image, c, i, j]) * at(weight, [c, k, r, q]);
    });
    return bias ? build(shape, (index) => at({ shape, data }, index) + at(bias, index.slice(1, 2))) : { shape, data };
  };
}

const CASES: [x: number[], weight: number[], options: ConvTranspose2dOptions][] = [
  [[2, 3, 4, 5], [3, 2, 3, 3], {}],
  [[1, 2, 3, 4], [2, 3, 2, 3], { stride: 2, padding: [0, 1], outputPadding: 1 }],
  [[1, 4, 3, 3], [4, 2, 3, 2], { stride: [3, 2], padding: 1, groups: 2, outputPadding: [2, 0] }],
  [[1, 3, 4, 3], [3, 1, 3, 3], { dilation: 2, groups: 3, padding: 2 }],
  [[1, 2, 3, 3], [2, 1, 2, 2], { dilation: 3, padding: 1, outputPadding: [2, 1] }],
  [[1, 1, 1, 1], [1, 1, 1, 1], {}],
  [[1, 2, 2, 3], [2, 2, 1, 1], { stride: 2 }],
];

/** A convolution of stride 1 by its definition, with zeros around so that the size stays; the end has the larger half. */
function sameConv(dilation: Two): Reference {
  return ([xGiven, wGiven]) => {
    const [x, weight] = [input(xGiven), input(wGiven)];
    const [n = 0, channels = 0, h = 0, w = 0] = x.shape;
    const [k = 0, , kh = 0, kw = 0] = weight.shape;
    const before = (axis: 0 | 1, taps: number): number => Math.floor((dilation[axis] * (taps - 1)) / 2);
    return build([n, k, h, w], ([image = 0, out = 0, i = 0, j = 0]) => {
      let sum = 0;
      forEachIndex([channels, kh, kw], ([c = 0, r = 0, q = 0]) => {
        const row = i - before(0, kh) + r * dilation[0];
        const column = j - before(1, kw) + q * dilation[1];
        if (row < 0 || row >= h || column < 0 || column >= w) return;
        sum += at(x, [image, c, row, column]) * at(weight, [out, c, r, q]);
      });
      return sum;
    });
  };
}

const KERNELS: [kernel: Two, dilation: Two][] = [
  [
    [3, 3],
    [1, 1],
  ],
  [
    [2, 4],
    [1, 1],
  ],
  [
    [2, 3],
    [3, 2],
  ],
  [
    [1, 5],
    [1, 1],
  ],
];

/** What engine/ops/conv-transpose.ts and conv.ts make of other ops. */
export const convCompositions: readonly Composition[] = [
  {
    name: 'convTranspose2d',
    summary: 'Transposed convolution: the adjoint of conv2d, plus a bias.',
    cases: CASES.flatMap(([x, weight, options]) =>
      [true, false].map((biased): CompositionCase => ({
        label: `of [${x.join()}] by [${weight.join()}] with ${JSON.stringify(options)}${biased ? ' and a bias' : ''}`,
        shapes: [x, weight, ...(biased ? [[(weight[1] ?? 0) * (options.groups ?? 1)]] : [])],
        call: (inputs) => convTranspose2d(nth(inputs, 0), nth(inputs, 1), inputs[2] ?? null, options),
        definition: definition(options),
      })),
    ),
  },
  {
    name: "conv2d, 'same'",
    summary: 'Convolution with zeros around that keep the size.',
    cases: KERNELS.map(([kernel, dilation]): CompositionCase => ({
      label: `[${kernel.join()}], dilation [${dilation.join()}]`,
      shapes: [
        [2, 2, 5, 6],
        [3, 2, ...kernel],
      ],
      call: (inputs) => conv2d(nth(inputs, 0), nth(inputs, 1), null, { padding: 'same', dilation }),
      definition: sameConv(dilation),
    })),
  },
];
