import fc from 'fast-check';
import { Generator, type InputDraw } from '../../../engine/index.js';
import { convGeometry, type ConvGeometry } from '../../../engine/ops/conv.js';
import { pooledShape, type PoolWindow } from '../../../engine/ops/pool-window.js';
import { anyShape, broadcastable, extent, type Drawing } from './shapes.js';

const matmul: Drawing = fc
  .tuple(extent, extent, extent, fc.boolean(), fc.boolean(), fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }))
  .chain(([m, k, n, transA, transB, batch]) =>
    fc.tuple(broadcastable(batch), fc.boolean()).map(([other, swap]) => {
      const a = [...(swap ? other : batch), ...(transA ? [k, m] : [m, k])];
      const b = [...(swap ? batch : other), ...(transB ? [n, k] : [k, n])];
      return { shapes: [a, b], attrs: { transA, transB } };
    }),
  );

const linear: Drawing = fc
  .tuple(extent, extent, extent)
  .map(([m, k, n]) => ({ shapes: [[m, k], [n, k], [n]], attrs: {} }));

const two = (max: number, min = 1): fc.Arbitrary<readonly [number, number]> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

/** Every size of a convolution whose kernel fits its padded input. */
const geometry: fc.Arbitrary<ConvGeometry> = fc
  .record({
    images: fc.integer({ min: 1, max: 2 }),
    groups: fc.integer({ min: 1, max: 3 }),
    c: fc.integer({ min: 1, max: 3 }),
    k: fc.integer({ min: 1, max: 3 }),
    kernel: two(3),
    stride: two(3),
    padding: two(2, 0),
    dilation: two(2),
    extra: two(5, 0),
  })
  .map(({ images, groups, c, k, kernel, stride, padding, dilation, extra }) => {
    const size = ([0, 1] as const).map((axis) =>
      Math.max(1, dilation[axis] * (kernel[axis] - 1) + 1 - 2 * padding[axis] + extra[axis]),
    );
    return convGeometry('conv2d', [images, groups * c, ...size], [groups * k, c, ...kernel], {
      stride,
      padding,
      dilation,
      groups,
    });
  });

const inputOf = (g: ConvGeometry): number[] => [g.images, g.groups * g.c, ...g.input];
const weightOf = (g: ConvGeometry): number[] => [g.groups * g.k, g.c, ...g.kernel];
const outputOf = (g: ConvGeometry): number[] => [g.images, g.groups * g.k, ...g.output];

const conv = (shapes: (g: ConvGeometry) => number[][]): Drawing =>
  geometry.map((sizes) => ({ shapes: shapes(sizes), attrs: { geometry: sizes } }));

/** Windows that fit their padded planes, of sizes rounded down and up. */
const poolWindow: fc.Arbitrary<PoolWindow> = fc
  .record({
    planes: two(2),
    kernel: two(4),
    stride: two(4),
    extra: two(6, 0),
    padded: fc.tuple(fc.nat(2), fc.nat(2)),
    ceilMode: fc.boolean(),
  })
  .map(({ planes, kernel, stride, extra, padded, ceilMode }) => {
    const padding = pairBy((axis) => Math.min(padded[axis], Math.floor(kernel[axis] / 2)));
    const size = pairBy((axis) => Math.max(1, kernel[axis] - 2 * padding[axis] + extra[axis]));
    return { shape: [...planes, ...size], kernel, stride, padding, ceilMode };
  });

function pairBy(value: (axis: 0 | 1) => number): readonly [number, number] {
  return [value(0), value(1)];
}

const pool: Drawing = poolWindow.map((attrs) => ({ shapes: [attrs.shape], attrs }));

const avgPool = (shape: (window: PoolWindow) => readonly number[]): Drawing =>
  fc
    .record({ window: poolWindow, countIncludePad: fc.boolean(), divisor: fc.constantFrom(undefined, 3) })
    .map(({ window, countIncludePad, divisor }) => ({
      shapes: [shape(window)],
      attrs: { ...window, countIncludePad, ...(divisor && { divisor }) },
    }));

/** One window to a plane, so that every place in the plane is a choice that it can have made. */
const moving = (fromPlane: boolean): Drawing =>
  fc.tuple(two(3), two(4)).map(([planes, kernel]) => {
    const [shape, pooled] = [
      [...planes, ...kernel],
      [...planes, 1, 1],
    ];
    const choice: InputDraw = { dtype: 'i32', range: [0, kernel[0] * kernel[1]] };
    const attrs = { shape, kernel, stride: kernel, padding: [0, 0] };
    return { shapes: [fromPlane ? shape : pooled, pooled], attrs, draws: [null, choice] };
  });

const norm = (...draws: readonly (InputDraw | null)[]): Drawing =>
  fc.tuple(fc.integer({ min: 2, max: 4 }), extent, two(4)).map(([n, channels, plane]) => ({
    shapes: [[n, channels, ...plane], ...draws.map(() => [channels])],
    attrs: { eps: 1e-3 },
    draws: [null, ...draws],
  }));

const classified = (attrs: fc.Arbitrary<object>, least = 1): Drawing =>
  fc.tuple(extent, fc.integer({ min: least, max: 9 }), attrs).map(([m, classes, rest]) => ({
    shapes: [[m, classes], [m]],
    attrs: rest,
    draws: [null, { dtype: 'i32', range: [0, classes] }],
  }));

const mutualInformation: Drawing = fc
  .tuple(extent, fc.integer({ min: 2, max: 9 }), fc.boolean())
  .map(([m, classes, symmetrize]) => ({
    shapes: [
      [m, classes],
      [m, classes],
    ],
    attrs: { symmetrize },
  }));

const dropout: Drawing = fc.tuple(anyShape, fc.integer({ min: 1, max: 7 }), fc.nat()).map(([shape, eighths, seed]) => ({
  shapes: [shape],
  attrs: { p: eighths / 8, start: () => new Generator(seed, { purpose: 'dropout' }).state() },
}));

/** The ops of engine/ops/matmul.ts, conv.ts, max-pool.ts, avg-pool.ts, norm.ts, random.ts and of the losses. */
export const networkArbitraries: Readonly<Record<string, Drawing>> = {
  matmul,
  linear,
  conv2d: conv((g) => [inputOf(g), weightOf(g), [g.groups * g.k]]),
  conv2dInputGrad: conv((g) => [outputOf(g), weightOf(g)]),
  conv2dWeightGrad: conv((g) => [inputOf(g), outputOf(g)]),
  maxPool2d: pool,
  avgPool2d: avgPool(({ shape }) => shape),
  avgPool2dSpread: avgPool(pooledShape),
  maxPool2dGather: moving(true),
  maxPool2dScatter: moving(false),
  batchNorm2dTrain: norm(null, null),
  batchNorm2dEval: norm(null, null, null, { dtype: 'f32', range: [0.25, 4] }),
  crossEntropy: classified(fc.record({ labelSmoothing: fc.constantFrom(0, 0.1, 0.5) })),
  boostedCrossEntropy: classified(fc.record({ martCompat: fc.boolean() }), 2),
  mutualInformation,
  dropout,
};
