/** The self-test's cases: what each kernel family computes on the GPU beside what it should be. */
import { grad } from '../autograd.js';
import { detectAnomaly } from '../anomaly.js';
import { compile } from '../compile.js';
import { avgPool2d } from '../ops/avg-pool.js';
import { boostedCrossEntropy } from '../ops/boosted-cross-entropy.js';
import { conv2d, convGeometry, convVariants, type ConvVariant } from '../ops/conv.js';
import { tensor } from '../ops/create.js';
import { crossEntropy } from '../ops/cross-entropy.js';
import { add, exp, log, maximum, mul, sub, tanh } from '../ops/elementwise.js';
import { gemm, type GemmVariant } from '../ops/gemm.js';
import { matmul } from '../ops/matmul.js';
import { maxPool2d } from '../ops/max-pool.js';
import { mutualInformation } from '../ops/mutual-information.js';
import { batchNorm2d } from '../ops/norm.js';
import { dropout, rand, randn } from '../ops/random.js';
import { argmax, mean, sum } from '../ops/reduce.js';
import { logSoftmax, softmax } from '../ops/softmax.js';
import { Generator } from '../random.js';
import type { Tensor } from '../tensor.js';
import { gradients, leaf, pair, type KernelCase } from './kernel-case.js';
import { MOVEMENT_CASES } from './movement-checks.js';
import {
  avgPoolReference,
  batchNormReference,
  boostedCrossEntropyReference,
  convReference,
  crossEntropyReference,
  matmulReference,
  maxPoolReference,
  mutualInformationReference,
  outputLength,
  softmaxReference,
  valueAt,
  type ConvSizes,
  type Values,
} from './reference.js';

function matmulCase(m: number, k: number, n: number): KernelCase {
  return {
    name: `matmul ${m}x${k}x${n}`,
    tolerance: 1e-5,
    run: (device) => {
      const a = leaf(device, [m, k], 1);
      const b = leaf(device, [k, n], 2);
      return [{ got: matmul(a.t, b.t), expected: matmulReference(a.values, b.values, [m, k, n]) }];
    },
  };
}

/** The variants that a product of this size may be computed by, and the one that its size does not choose. */
const VARIANTS: readonly GemmVariant[] = [
  { kind: 'tile', t: 4, opaque: true, splits: 1 },
  { kind: 'tile', t: 8, opaque: false, splits: 2 },
  { kind: 'quad', q: 4, share: 4, threads: 4, splits: 1 },
];

const GEMM_VARIANTS: KernelCase = {
  name: 'matmul, every variant',
  tolerance: 1e-5,
  run: (device) => {
    const [m, k, n] = [37, 50, 41];
    const [a, b] = [leaf(device, [m, k], 1), leaf(device, [k, n], 2)];
    const expected = matmulReference(a.values, b.values, [m, k, n]);
    return VARIANTS.filter(({ kind }) => kind === 'tile' || device.caps.subgroupSize >= 4).map((variant) => {
      const got = device.empty([m, n]);
      gemm(device, { a: a.t, b: b.t, out: got, M: m, N: n, K: k }, variant);
      return { got, expected };
    });
  },
};

function convCase(name: string, sizes: ConvSizes, part: 'forward' | 'dX' | 'dW', variant?: ConvVariant): KernelCase {
  const { n, c, h, w, k, r, stride, padding, groups } = sizes;
  return {
    name: `conv2d ${name}${variant ? ` by ${variant}` : ''}, ${part}`,
    // Winograd's transforms cost two or three bits.
    tolerance: variant === 'winograd4' ? 4e-5 : 1e-5,
    run: (device) => {
      const x = leaf(device, [n, c, h, w], 3);
      const weight = leaf(device, [k, c / groups, r, r], 4);
      const dy = leaf(device, [n, k, outputLength(h, sizes), outputLength(w, sizes)], 5);
      const expected = convReference(x.values, weight.values, dy.values, sizes);
      const options = { stride, padding, groups };
      const geometry = convGeometry('conv2d', x.t.shape, weight.t.shape, options);
      // A device without subgroups has fewer variants, and chooses among those.
      const can = variant && convVariants(device.caps, 'forward', geometry).includes(variant);
      const y = conv2d(x.t, weight.t, null, { ...options, ...(can && { variant }) });
      switch (part) {
        case 'forward':
          return pair(y, expected.y);
        case 'dX':
          return pair(gradients(y, [x.t], dy.t)[0], expected.dx);
        case 'dW':
          return pair(gradients(y, [weight.t], dy.t)[0], expected.dw);
        default:
          return part satisfies never;
      }
    },
  };
}

const CONVOLUTIONS: readonly (readonly [string, ConvSizes])[] = [
  ['3x3', { n: 2, c: 8, h: 14, w: 13, k: 8, r: 3, stride: 1, padding: 1, groups: 1 }],
  ['3x3 stride 2, 2 groups', { n: 2, c: 4, h: 11, w: 9, k: 6, r: 3, stride: 2, padding: 1, groups: 2 }],
  ['5x5', { n: 2, c: 3, h: 9, w: 10, k: 5, r: 5, stride: 1, padding: 2, groups: 1 }],
];

/** What every variant can compute. */
const WINOGRAD: ConvSizes = { n: 2, c: 16, h: 14, w: 13, k: 16, r: 3, stride: 1, padding: 1, groups: 1 };

function mutualInformationCase(m: number, c: number): KernelCase {
  return {
    name: `mutual information, ${c} classes`,
    tolerance: 2e-5,
    run: (device) => {
      const natural = leaf(device, [m, c], 6);
      const adversarial = leaf(device, [m, c], 7);
      const expected = mutualInformationReference(natural.values, adversarial.values, m, c);
      const mi = mutualInformation(natural.t, adversarial.t);
      const [dNatural, dAdversarial] = grad(mi, [natural.t, adversarial.t]);
      return [
        ...pair(mi, expected.mi),
        ...pair(dNatural, expected.dNatural),
        ...pair(dAdversarial, expected.dAdversarial),
      ];
    },
  };
}

const ELEMENTWISE: KernelCase = {
  name: 'elementwise, with broadcasting',
  tolerance: 1e-6,
  run: (device) => {
    const a = leaf(device, [7, 1, 33], 8);
    const b = leaf(device, [5, 33], 9);
    const both = (f: (a: number, b: number) => number): Values =>
      Float64Array.from({ length: 7 * 5 * 33 }, (_, at) =>
        f(valueAt(a.values, Math.floor(at / 165) * 33 + (at % 33)), valueAt(b.values, at % 165)),
      );
    return [
      { got: mul(add(a.t, b.t), sub(a.t, 2)), expected: both((x, y) => (x + y) * (x - 2)) },
      { got: maximum(a.t, b.t), expected: both(Math.max) },
      { got: exp(tanh(a.t)), expected: Float64Array.from(a.values, (x) => Math.exp(Math.tanh(x))) },
      { got: log(add(mul(a.t, a.t), 1)), expected: Float64Array.from(a.values, (x) => Math.log(x * x + 1)) },
    ];
  },
};

const FUSED: KernelCase = {
  name: 'elementwise, fused',
  tolerance: 1e-6,
  run: (device) => {
    const [a, b] = [leaf(device, [301], 8), leaf(device, [301], 9)];
    const chain = compile((x: Tensor, y: Tensor) => sub(mul(tanh(add(x, y)), 2), x));
    const got = chain(a.t, b.t);
    chain.dispose();
    const expected = a.values.map((x, at) => 2 * Math.tanh(x + valueAt(b.values, at)) - x);
    return [{ got, expected }];
  },
};

const REDUCTIONS: KernelCase = {
  name: 'reductions',
  tolerance: 1e-6,
  run: (device) => {
    const [rows, columns] = [37, 300];
    const { t, values } = leaf(device, [rows, columns], 10);
    const overRows = Float64Array.from({ length: columns }, (_, column) =>
      values.reduce((total, value, at) => (at % columns === column ? total + value : total), 0),
    );
    const largest = Float64Array.from({ length: rows }, (_, row) => {
      const one = values.subarray(row * columns, (row + 1) * columns);
      return one.indexOf(Math.max(...one));
    });
    return [
      { got: sum(t, 0), expected: overRows },
      { got: mean(mul(t, t)), expected: [values.reduce((total, value) => total + value ** 2, 0) / values.length] },
      { got: argmax(t, 1), expected: largest },
    ];
  },
};

const POOLING: KernelCase = {
  name: 'max-pooling and its gradient',
  tolerance: 0,
  run: (device) => {
    const sizes = { planes: 6, h: 11, w: 8, size: 2 };
    const x = leaf(device, [2, 3, sizes.h, sizes.w], 11);
    const dy = leaf(device, [2, 3, 5, 4], 12);
    const expected = maxPoolReference(x.values, dy.values, sizes);
    const y = maxPool2d(x.t, sizes.size);
    return [...pair(y, expected.y), ...pair(gradients(y, [x.t], dy.t)[0], expected.dx)];
  },
};

const AVERAGES: KernelCase = {
  name: 'average pooling and its gradient',
  tolerance: 1e-6,
  run: (device) => {
    const sizes = { planes: 6, h: 11, w: 8, size: 2 };
    const x = leaf(device, [2, 3, sizes.h, sizes.w], 11);
    const dy = leaf(device, [2, 3, 5, 4], 12);
    const expected = avgPoolReference(x.values, dy.values, sizes);
    const y = avgPool2d(x.t, sizes.size);
    return [...pair(y, expected.y), ...pair(gradients(y, [x.t], dy.t)[0], expected.dx)];
  },
};

const BATCH_NORM: KernelCase = {
  name: 'batch norm and its gradient',
  tolerance: 1e-5,
  run: (device) => {
    const [n, c, side] = [4, 5, 7];
    const x = leaf(device, [n, c, side, side], 13);
    const [weight, bias, runningMean, runningVar] = [14, 15, 16, 17].map((seed) => leaf(device, [c], seed));
    const dy = leaf(device, [n, c, side, side], 18);
    if (!weight || !bias || !runningMean || !runningVar) return [];
    const sizes = { n, c, area: side * side };
    const expected = batchNormReference(x.values, weight.values, bias.values, dy.values, sizes);
    const state = { runningMean: runningMean.t.detach(), runningVar: runningVar.t.detach() };
    const y = batchNorm2d(x.t, { weight: weight.t, bias: bias.t, ...state, training: true });
    return [...pair(y, expected.y), ...pair(gradients(y, [x.t], dy.t)[0], expected.dx)];
  },
};

const SOFTMAX: KernelCase = {
  name: 'softmax and log-softmax',
  tolerance: 1e-6,
  run: (device) => {
    const { t, values } = leaf(device, [33, 10], 19);
    const { p, log: logarithm } = softmaxReference(values, 33, 10);
    return [
      { got: softmax(t), expected: p },
      { got: logSoftmax(t), expected: logarithm },
    ];
  },
};

const CROSS_ENTROPY: KernelCase = {
  name: 'cross-entropy and its gradient',
  tolerance: 2e-6,
  run: (device) => {
    const { t, values } = leaf(device, [33, 10], 20);
    const labels = Int32Array.from(new Generator(21).integers(33, 10));
    const loss = crossEntropy(t, tensor(labels, { device }));
    const { loss: expected, dz } = crossEntropyReference(values, labels, 33, 10);
    return [...pair(loss, expected), ...pair(grad(loss, [t])[0], dz)];
  },
};

const BOOSTED_CROSS_ENTROPY: KernelCase = {
  name: 'boosted cross-entropy and its gradient',
  tolerance: 2e-6,
  run: (device) => {
    const { t, values } = leaf(device, [33, 10], 25);
    const labels = Int32Array.from(new Generator(26).integers(33, 10));
    const loss = boostedCrossEntropy(t, tensor(labels, { device }));
    const { loss: expected, dz } = boostedCrossEntropyReference(values, labels, 33, 10);
    return [...pair(loss, expected), ...pair(grad(loss, [t])[0], dz)];
  },
};

const ANOMALIES: KernelCase = {
  name: 'the search for infinities and NaNs',
  tolerance: 0,
  run: async (device) => {
    const found = async (at: number, value: number): Promise<number> => {
      const x = tensor(new Float32Array(1000).fill(1).fill(value, at, at + 1), { device });
      const failure: unknown = await detectAnomaly(device, () => mul(x, x)).then(
        () => undefined,
        (error: unknown) => error,
      );
      return Number(/at element (\d+)/.exec(String(failure))?.[1] ?? -1);
    };
    return [{ got: [await found(777, NaN), await found(3, Infinity), await found(5, 2)], expected: [777, 3, -1] }];
  },
};

const RANDOM: KernelCase = {
  name: 'random numbers, bit for bit',
  tolerance: 0,
  run: (device) => {
    const count = 1027;
    const ones = tensor(new Float32Array(count).fill(1), { device });
    const mask = new Generator(24, { purpose: 'dropout' }).uniform(count);
    const rows = tensor([5, 2], { device, dtype: 'i32' });
    // A row of 7 takes two blocks, 8 numbers.
    const picked = (all: Float32Array): number[] => [5, 2].flatMap((row) => [...all.subarray(8 * row, 8 * row + 7)]);
    return [
      { got: rand([2, 7], { device, seed: 22, rows }), expected: picked(new Generator(22).uniform(48)) },
      { got: randn([2, 7], { device, seed: 23, rows }), expected: picked(new Generator(23).normal(48)) },
      { got: rand([count], { device, seed: 22 }), expected: new Generator(22).uniform(count) },
      { got: randn([count], { device, seed: 23 }), expected: new Generator(23).normal(count) },
      {
        got: dropout(ones, 0.5, { generator: new Generator(24, { purpose: 'dropout' }) }),
        expected: mask.map((value) => (value < 0.5 ? 0 : 2)),
      },
    ];
  },
};

/** Every case, in the order in which they run. */
export const KERNEL_CASES: readonly KernelCase[] = [
  ELEMENTWISE,
  FUSED,
  ...MOVEMENT_CASES,
  REDUCTIONS,
  matmulCase(5, 7, 3),
  matmulCase(64, 96, 72),
  GEMM_VARIANTS,
  ...CONVOLUTIONS.flatMap(([name, sizes]) =>
    (['forward', 'dX', 'dW'] as const).map((part) => convCase(name, sizes, part)),
  ),
  ...(['forward', 'dX', 'dW'] as const).flatMap((part) =>
    (['plain', 'rows', 'tile', 'winograd4', 'winograd2'] as const).map((variant) =>
      convCase('3x3', WINOGRAD, part, variant),
    ),
  ),
  POOLING,
  AVERAGES,
  BATCH_NORM,
  SOFTMAX,
  CROSS_ENTROPY,
  BOOSTED_CROSS_ENTROPY,
  mutualInformationCase(64, 10),
  mutualInformationCase(48, 40),
  RANDOM,
  ANOMALIES,
];
