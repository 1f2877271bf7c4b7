import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  DTypeError,
  compile,
  grad,
  keep,
  ShapeError,
  tensor,
  type Device,
  type Shape,
  type Tensor,
} from '../../engine/index.js';
import {
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  convGeometry,
  convVariants,
  type ConvPassOptions,
  type ConvGeometry,
  type ConvVariant,
} from '../../engine/ops/conv.js';
import { outputShape } from '../../engine/ops/conv/geometry.js';
import { sizeOf } from '../../engine/shape.js';
import { testDevice } from '../support/device.js';
import { distance } from '../support/reference.js';
import { forEachTerm } from '../support/references/conv.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const product = (a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number => (a[i] ?? 0) * (b[j] ?? 0);

function add(into: Float64Array, index: number, value: number): void {
  into[index] = (into[index] ?? 0) + value;
}

/** Float64 results of the three passes, from the definition. */
function reference(g: ConvGeometry, x: Float32Array, weight: Float32Array, bias: Float32Array, dy: Float32Array) {
  const [oh, ow] = g.output;
  const y = Float64Array.from(dy, (_, index) => bias[Math.floor(index / (oh * ow)) % (g.groups * g.k)] ?? 0);
  const [dx, dw] = [new Float64Array(x.length), new Float64Array(weight.length)];
  forEachTerm(g, (ix, iw, iy) => {
    add(y, iy, product(x, ix, weight, iw));
    add(dx, ix, product(dy, iy, weight, iw));
    add(dw, iw, product(dy, iy, x, ix));
  });
  return { y, dx, dw };
}

function expectClose(actual: ArrayLike<number>, expected: Float64Array, what: string): void {
  const { error, norm } = distance(actual, expected);
  expect(error, what).toBeLessThanOrEqual(2e-5 * norm + 1e-30);
}

type Case = readonly [name: string, x: Shape, weight: Shape, options: ConvPassOptions];

const CASES: readonly Case[] = [
  ['one of everything', [1, 1, 1, 1], [1, 1, 1, 1], {}],
  ['3x3 valid, batch of 1', [1, 1, 5, 5], [2, 1, 3, 3], {}],
  ['3x3 same, primes', [3, 7, 13, 11], [17, 7, 3, 3], { padding: 1 }],
  ['3x3, more padding than the kernel has', [2, 3, 6, 5], [4, 3, 3, 3], { padding: 3 }],
  ['3x3, padding 2 by 0', [2, 5, 9, 10], [6, 5, 3, 3], { padding: [2, 0] }],
  ['3x3 larger than any tile', [2, 19, 37, 41], [35, 19, 3, 3], { padding: 1 }],
  ['3x3 of one position', [5, 4, 3, 3], [3, 4, 3, 3], {}],
  ['3x3 of MNIST', [2, 1, 28, 28], [16, 1, 3, 3], {}],
  ['3x3 down to one channel', [3, 16, 9, 9], [1, 16, 3, 3], {}],
  ['1x1', [3, 5, 7, 3], [9, 5, 1, 1], {}],
  ['1x1, stride 2', [2, 4, 7, 7], [6, 4, 1, 1], { stride: 2 }],
  ['1x1, stride 3 and padding 1', [2, 2, 7, 8], [3, 2, 1, 1], { stride: 3, padding: 1 }],
  ['5x5', [2, 3, 12, 9], [10, 3, 5, 5], { padding: 2 }],
  ['3x1', [2, 3, 9, 8], [5, 3, 3, 1], { padding: [1, 0] }],
  ['1x9', [1, 2, 4, 17], [3, 2, 1, 9], {}],
  ['depthwise', [2, 6, 9, 7], [6, 1, 3, 3], { padding: 1, groups: 6 }],
  ['depthwise with a multiplier, stride 2', [2, 4, 8, 9], [8, 1, 3, 3], { stride: 2, padding: 1, groups: 4 }],
  ['2 groups', [2, 6, 8, 7], [10, 3, 3, 3], { padding: 1, groups: 2 }],
  [
    '3 groups, stride 3 by 2, dilation 2 by 3',
    [2, 6, 17, 19],
    [3, 2, 2, 4],
    { stride: [3, 2], padding: [1, 4], dilation: [2, 3], groups: 3 },
  ],
  ['stride 2', [2, 5, 11, 8], [7, 5, 3, 3], { stride: 2, padding: 1 }],
  ['stride 2 by 1', [2, 3, 9, 8], [10, 3, 3, 3], { stride: [2, 1], padding: 1 }],
  ['stride 2, positions that no tap reaches', [1, 2, 9, 9], [2, 2, 1, 2], { stride: 4 }],
  ['dilation 2', [2, 3, 11, 12], [5, 3, 3, 3], { dilation: 2, padding: 2 }],
  ['dilation 2, stride 2', [1, 3, 12, 13], [4, 3, 3, 3], { dilation: 2, stride: 2 }],
  ['an empty batch', [0, 3, 6, 6], [4, 3, 3, 3], { padding: 1 }],
];

/**
 * Cases whose every variant runs on every adapter. The others run in the variants that their adapter prefers, and in all
 * of them on the adapter with four lanes, because the one with eight takes up to seconds to compile each.
 */
const COMPILED_EVERYWHERE = ['3x3 same, primes'];

async function checkVariant([name, xShape, weightShape, options]: Case, repeat = 1): Promise<void> {
  const g = convGeometry('test', xShape, weightShape, options);
  const yShape = [g.images, g.groups * g.k, ...g.output];
  const values = [xShape, weightShape, [g.groups * g.k], yShape].map((shape, seed) =>
    uniformFloats(sizeOf(shape), seed + 1),
  );
  const [x, weight, bias, dy] = values as [Float32Array, Float32Array, Float32Array, Float32Array];
  const expected = reference(g, x, weight, bias, dy);
  for (let run = 0; run < repeat; run++) {
    await device.scope(async () => {
      const [tx, tw, tb, tdy] = [
        tensor(x, { shape: xShape, device }),
        tensor(weight, { shape: weightShape, device }),
        tensor(bias, { device }),
        tensor(dy, { shape: yShape, device }),
      ];
      const label = `${name}, ${options.variant ?? 'chosen'}, run ${run}`;
      expectClose(await conv2d(tx, tw, tb, options).data(), expected.y, `${label}: y`);
      expectClose(await conv2dInputGrad(tdy, tw, xShape, options).data(), expected.dx, `${label}: dx`);
      expectClose(await conv2dWeightGrad(tx, tdy, weightShape, options).data(), expected.dw, `${label}: dw`);
    });
  }
}

describe('conv2d against the definition', () => {
  it.each(CASES)('%s', async (...test) => {
    await checkVariant(test);
  });

  it.each(CASES)('%s, in every variant that can run', async (name, x, weight, options) => {
    const geometry = convGeometry('test', x, weight, options);
    const variants = new Set(
      (['forward', 'inputGrad', 'weightGrad'] as const).flatMap((pass) => convVariants(device.caps, pass, geometry)),
    );
    const [chosen] = convVariants(device.caps, 'forward', convGeometry('test', [1, 1, 1, 1], [1, 1, 1, 1], {}));
    for (const variant of variants) {
      const cheap = device.caps.subgroupSize === 4 || variant === chosen || variant.startsWith('winograd');
      if (cheap || COMPILED_EVERYWHERE.includes(name))
        await checkVariant([name, x, weight, { ...options, variant }], 2);
    }
  });
});

/** Σ weights · conv2d and its first and second derivatives, compared with the definition, which is bilinear. */
describe('derivatives of conv2d', () => {
  const attrs: ConvPassOptions = { stride: [1, 2], padding: 1, dilation: [2, 1], groups: 2 };
  const shapes = { x: [2, 4, 6, 7], weight: [6, 2, 3, 3] };

  it('first order: input, weight and bias, only what is asked for', async () => {
    await device.scope(async () => {
      const g = convGeometry('test', shapes.x, shapes.weight, attrs);
      const yShape = [2, 6, ...g.output];
      const [x, weight, bias, dy] = [
        uniformFloats(336, 1),
        uniformFloats(108, 2),
        uniformFloats(6, 3),
        uniformFloats(sizeOf(yShape), 4),
      ];
      const expected = reference(g, x, weight, bias, dy);
      const tx = tensor(x, { shape: shapes.x, device }).requireGrad();
      const tw = tensor(weight, { shape: shapes.weight, device }).requireGrad();
      const tb = tensor(bias, { device }).requireGrad();
      const y = conv2d(tx, tw, tb, attrs);
      const upstream = tensor(dy, { shape: yShape, device });
      const [dx, dw, db] = grad(y, [tx, tw, tb], { gradOutput: upstream });
      const sums = new Float64Array(6);
      const plane = g.output[0] * g.output[1];
      dy.forEach((value, index) => {
        add(sums, Math.floor(index / plane) % 6, value);
      });
      expectClose((await dx?.data()) ?? [], expected.dx, 'dx');
      expectClose((await dw?.data()) ?? [], expected.dw, 'dw');
      expectClose((await db?.data()) ?? [], sums, 'db');
      const before = device.counters.dispatches;
      grad(y, [tx], { gradOutput: upstream });
      expect(device.counters.dispatches - before, 'one packing and two residues, no weight gradient').toBe(3);
    });
  });

  it('second order: gradients of the gradients with respect to everything', async () => {
    await device.scope(async () => {
      const g = convGeometry('test', shapes.x, shapes.weight, attrs);
      const yShape = [2, 6, ...g.output];
      const [x, weight, dy] = [uniformFloats(336, 1), uniformFloats(108, 2), uniformFloats(sizeOf(yShape), 4)];
      const [u, v] = [uniformFloats(336, 5), uniformFloats(108, 6)];
      const tx = tensor(x, { shape: shapes.x, device }).requireGrad();
      const tw = tensor(weight, { shape: shapes.weight, device }).requireGrad();
      const tdy = tensor(dy, { shape: yShape, device }).requireGrad();
      const [dx, dw] = grad(conv2d(tx, tw, null, attrs), [tx, tw], { gradOutput: tdy, createGraph: true });
      if (!dx || !dw) throw new Error('no gradients');
      // L = u · dx + v · dw with dx = dy * weight and dw = dy * x, each bilinear.
      const tu = tensor(u, { shape: shapes.x, device });
      const tv = tensor(v, { shape: shapes.weight, device });
      const loss = dx.mul(tu).sum().add(dw.mul(tv).sum());
      const [gx, gw, gdy] = grad(loss, [tx, tw, tdy]);
      const nothing = new Float32Array(6);
      const ofU = reference(g, u, weight, nothing, dy);
      const ofV = reference(g, x, v, nothing, dy);
      expectClose((await gx?.data()) ?? [], ofV.dx, 'd loss / d x');
      expectClose((await gw?.data()) ?? [], ofU.dw, 'd loss / d weight');
      expectClose(
        (await gdy?.data()) ?? [],
        ofU.y.map((value, index) => value + (ofV.y[index] ?? 0)),
        'd loss / d dy',
      );
    });
  });
});

describe('conv2d refuses', () => {
  const make = (shape: Shape) => keep(tensor(new Float32Array(sizeOf(shape)), { shape, device }));

  it.each<[string, Shape, Shape, ConvPassOptions, RegExp]>([
    ['an input of the wrong rank', [3, 8, 8], [4, 3, 3, 3], {}, /input \[3, 8, 8\], weight \[4, 3, 3, 3\]/],
    ['a weight of the wrong rank', [1, 3, 8, 8], [4, 3, 9], {}, /weight \[4, 3, 9\]/],
    ['channels that differ', [1, 3, 8, 8], [4, 2, 3, 3], {}, /3 \/ 1 input channels/],
    ['groups that do not divide the input', [1, 3, 8, 8], [4, 1, 3, 3], { groups: 2 }, /3 \/ 2 input channels/],
    ['groups that do not divide the output', [1, 4, 8, 8], [5, 2, 3, 3], { groups: 2 }, /5 output channels/],
    ['a kernel larger than the padded input', [1, 1, 2, 9], [1, 1, 5, 5], { padding: 1 }, /larger than the padded/],
    ['a dilated kernel larger than the input', [1, 1, 4, 4], [1, 1, 3, 3], { dilation: 2 }, /larger than the padded/],
    ['an empty kernel', [1, 1, 4, 4], [1, 1, 0, 3], {}, /at least one tap/],
  ])('%s', (_, x, weight, options, message) => {
    expect(() => conv2d(make(x), make(weight), null, options)).toThrow(ShapeError);
    expect(() => conv2d(make(x), make(weight), null, options)).toThrow(message);
    expect(() => conv2d(make(x), make(weight), null, options)).toThrow(/^conv2d: /);
  });

  it.each<[string, ConvPassOptions, RegExp]>([
    ['negative padding', { padding: -1 }, /padding \[-1, -1\].*at least 0/],
    ['stride 0', { stride: [1, 0] }, /stride \[1, 0\].*at least 1/],
    ['a fractional dilation', { dilation: 1.5 }, /dilation \[1.5, 1.5\].*at least 1/],
    ['no groups', { groups: 0 }, /groups 0.*at least 1/],
  ])('%s', (_, options, message) => {
    expect(() => conv2d(make([1, 2, 8, 8]), make([2, 2, 3, 3]), null, options)).toThrow(ArgumentError);
    expect(() => conv2d(make([1, 2, 8, 8]), make([2, 2, 3, 3]), null, options)).toThrow(message);
  });

  it('a bias or a gradient of the wrong shape, and integers', () => {
    const [x, weight] = [make([1, 2, 8, 8]), make([3, 2, 3, 3])];
    expect(() => conv2d(x, weight, make([2]))).toThrow(/conv2d: bias has shape \[2\]; expected \[3\]/);
    expect(() => conv2dInputGrad(make([1, 3, 8, 8]), weight, [1, 2, 8, 8])).toThrow(/expected \[1, 3, 6, 6\]/);
    expect(() => conv2dWeightGrad(x, make([1, 3, 8, 8]), [3, 2, 3, 3])).toThrow(/expected \[1, 3, 6, 6\]/);
    const integers = keep(tensor(new Int32Array(128), { shape: [1, 2, 8, 8], device }));
    expect(() => conv2d(integers, weight)).toThrow(DTypeError);
  });
});

describe('tiles of an implicit matrix product', () => {
  it('of the larger size, where there are enough of them, agree with the direct kernels', async () => {
    const [xShape, weightShape, options] = [[32, 16, 32, 32], [128, 16, 3, 3], { padding: 1 }] as const;
    const tiles: unknown[] = [];
    const spied = await testDevice();
    const dispatch = spied.dispatch.bind(spied);
    spied.dispatch = (work) => {
      if (work.kernel.name.startsWith('conv_tile')) tiles.push(work.constants?.['TM']);
      dispatch(work);
    };
    const draw = (shape: readonly number[], seed: number): Tensor =>
      tensor(uniformFloats(sizeOf([...shape]), seed), { device: spied, shape: [...shape] });
    const [x, weight, dy] = [draw(xShape, 1), draw(weightShape, 2), draw([32, 128, 32, 32], 3)];
    const passes = (variant: ConvVariant): Tensor[] => [
      conv2d(x, weight, null, { ...options, variant }),
      conv2dInputGrad(dy, weight, xShape, { ...options, variant }),
      conv2dWeightGrad(x, dy, weightShape, { ...options, variant }),
    ];
    const [direct = 'plain'] = convVariants(
      spied.caps,
      'forward',
      convGeometry('test', [1, 1, 1, 1], [1, 1, 1, 1], {}),
    );
    const [expected, actual] = [passes(direct), passes('tile')];
    expect(tiles).toEqual([8, 4, 8]);
    for (const [pass, each] of actual.entries()) {
      expectClose(await each.floats(), Float64Array.from((await expected[pass]?.floats()) ?? []), `pass ${pass}`);
    }
    spied.destroy();
  });
});

describe('Winograd in parts', () => {
  it.each([41, 64])('of %i images agrees with the direct kernels', async (images) => {
    const [xShape, weightShape, yShape] = [
      [images, 16, 32, 32],
      [24, 16, 3, 3],
      [images, 24, 32, 32],
    ];
    const [x, weight, dy] = [xShape, weightShape, yShape].map((shape, seed) =>
      keep(tensor(uniformFloats(sizeOf(shape), seed + 1), { shape, device })),
    ) as [Tensor, Tensor, Tensor];
    const passes = (variant: ConvVariant): Tensor[] => [
      conv2d(x, weight, null, { padding: 1, variant }),
      conv2dInputGrad(dy, weight, xShape, { padding: 1, variant }),
      conv2dWeightGrad(x, dy, weightShape, { padding: 1, variant }),
    ];
    const [direct = 'plain'] = convVariants(
      device.caps,
      'forward',
      convGeometry('test', [1, 1, 1, 1], [1, 1, 1, 1], {}),
    );
    await device.scope(async () => {
      const [expected, actual] = [passes(direct), passes('winograd4')];
      for (const [pass, each] of actual.entries()) {
        expectClose(await each.floats(), Float64Array.from((await expected[pass]?.floats()) ?? []), `pass ${pass}`);
      }
    });
    for (const each of [x, weight, dy]) each.dispose();
  });
});

describe('Winograd F(2x2)', () => {
  it('is as accurate as the definition summed in f32', async () => {
    const [xShape, weightShape, options] = [[2, 64, 8, 8], [48, 64, 3, 3], { padding: 1 }] as const;
    const g = convGeometry('test', xShape, weightShape, options);
    const [x, weight, dy] = [uniformFloats(8192, 1), uniformFloats(27648, 2), uniformFloats(6144, 3)];
    const expected = reference(g, x, weight, new Float32Array(48), dy);
    const errors = async (variant: 'plain' | 'winograd2'): Promise<number[]> => {
      const how = { ...options, variant };
      return device.scope(async () => {
        const tx = tensor(x, { shape: [...xShape], device });
        const tw = tensor(weight, { shape: [...weightShape], device });
        const tdy = tensor(dy, { shape: outputShape(g), device });
        const results = [
          [conv2d(tx, tw, null, how), expected.y],
          [conv2dInputGrad(tdy, tw, xShape, how), expected.dx],
          [conv2dWeightGrad(tx, tdy, weightShape, how), expected.dw],
        ] as const;
        return Promise.all(
          results.map(async ([result, reference64]) => {
            const { error, norm } = distance(await result.data(), reference64);
            return error / norm;
          }),
        );
      });
    };
    const [plain, winograd] = [await errors('plain'), await errors('winograd2')];
    // Three rounded additions in each transform, where a sum over 64 channels and 9 taps has hundreds.
    winograd.forEach((error, pass) => expect(error).toBeLessThanOrEqual(2 * Math.max(plain[pass] ?? 0, 2 ** -23)));
  });
});

describe('precision strict', () => {
  it('leaves F(4x4) out, of eager and of captured functions', async () => {
    const own = await testDevice();
    const labels: string[] = [];
    const prepare = own.prepare.bind(own);
    own.prepare = (commands) => {
      labels.push(
        ...commands.flatMap((each) =>
          each.kind === 'dispatch' ? [`${each.dispatch.kernel.name} ${each.dispatch.constants?.['TILE'] ?? ''}`] : [],
        ),
      );
      return prepare(commands);
    };
    const make = (shape: number[], seed: number): Tensor =>
      tensor(uniformFloats(sizeOf(shape), seed), { device: own, shape });
    const [x, weight] = [make([1, 128, 16, 16], 1), make([128, 128, 3, 3], 2)];
    const compiled = compile(() => conv2d(x, weight, null, { padding: 1 }), { device: own });
    await compiled().floats();
    expect(labels).toContain('winograd_input 4');
    labels.length = 0;
    own.precision = 'strict';
    await compiled().floats();
    expect(labels.length).toBeGreaterThan(0);
    expect(labels).not.toContain('winograd_input 4');
    own.destroy();
  });
});
