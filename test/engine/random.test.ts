import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import randomSource from '../../shaders/random.wgsl';
import { ArgumentError, DTypeError, ShapeError } from '../../engine/errors.js';
import { defineKernel, grad, ones, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { dropout, generatorOf, manualSeed, rand, randn } from '../../engine/ops/random.js';
import { Generator, wordsAt, type GeneratorState } from '../../engine/random.js';
import { testDevice } from '../support/device.js';
import { PHILOX_VECTORS } from '../support/philox-vectors.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const SIZES = [0, 1, 3, 4, 1027, 70_000];

/** A place in a stream near where the offset's low word, and then the whole offset, wraps. */
const NEAR_WRAP: GeneratorState = { seed: [0xffffffff, 5], stream: [9, 2], offset: [0xffffff00, 0xffffffff] };
const start = (): Generator => Generator.fromState(NEAR_WRAP);

/** Fails unless a tensor's floats have the same bit patterns as the expected ones. */
async function expectBits(x: Tensor, expected: Float32Array<ArrayBuffer>): Promise<void> {
  const found = new Uint32Array((await x.floats()).buffer);
  const wanted = new Uint32Array(expected.buffer);
  expect(found.length).toBe(wanted.length);
  expect(found.findIndex((word, i) => word !== wanted[i])).toBe(-1);
}

describe('Philox on the GPU', () => {
  // The functions of the shipped kernel, with an entry point that shows all bits of the words.
  const functions = randomSource.slice(
    randomSource.indexOf('// High 32 bits'),
    randomSource.indexOf('//#if KIND == normal\n// Linear'),
  );
  const kernel = defineKernel({
    name: 'philox_words',
    bindings: ['write'],
    source: `
struct Params { key: vec2u, pad: vec2u, counter: vec4u }
@group(0) @binding(31) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> words: vec4u;
${functions}
@compute @workgroup_size(1) fn main() { words = philox(params.counter); }`,
  });

  it.each(PHILOX_VECTORS)(
    'gives the published words for counter $counter, key $key',
    async ({ counter, key, words }) => {
      const result = zeros([4], { device, dtype: 'u32' });
      device.dispatch({ kernel, buffers: [result.range], uniforms: [...key, 0, 0, ...counter], workgroups: [1] });
      expect([...(await result.data())]).toEqual(words);
      // The whole kernel makes the same block of it: its numbers are the upper 24 bits.
      const [a, b, c, d] = counter;
      const generator = Generator.fromState({ seed: key, offset: [a, b], stream: [c, d] });
      const uniform = await rand([4], { device, generator }).data();
      expect([...uniform]).toEqual(words.map((word) => (word >>> 8) / 2 ** 24));
    },
  );
});

describe.each(SIZES)('%d numbers', (n) => {
  it('are the CPU generator’s, to the bit', async () => {
    await expectBits(rand([n], { device, generator: start() }), start().uniform(n));
    await expectBits(randn([n], { device, generator: start() }), start().normal(n));
    const bounded = rand([n], { device, generator: start(), bound: 0.3 });
    await expectBits(bounded, start().uniform(n, 0.3));
    const scaled = randn([n], { device, generator: start(), std: 0.37 });
    await expectBits(scaled, start().normal(n, 0.37));
  });

  it('move the generator on as on the CPU', () => {
    for (const draw of [rand, randn]) {
      const [onGpu, onCpu] = [start(), start()];
      draw([n], { device, generator: onGpu });
      onCpu.words(n);
      expect(onGpu.state()).toEqual(onCpu.state());
    }
  });

  it('drop out where the CPU’s words are small', async () => {
    const x = new Generator(3).normal(n);
    const words = wordsAt(NEAR_WRAP, n);
    const kept = Math.fround(1 / (1 - 0.4));
    const expected = x.map((value, i) => ((words[i] ?? 0) >>> 8 >= Math.round(0.4 * 2 ** 24) ? value * kept : 0));
    const y = dropout(tensor(x, { device }), 0.4, { generator: start() });
    await expectBits(y, expected);
  });
});

describe('rand and randn', () => {
  it('give a row the numbers of its number, whatever else is drawn', async () => {
    const words = (perRow: number): number => 4 * Math.ceil(perRow / 4);
    for (const [numbers, perRow] of [
      [[5, 0, 3, 5], 7],
      [[2], 1],
      [[1, 0], 8],
      [[70_000], 70],
    ] as const) {
      const rows = tensor([...numbers], { device, dtype: 'i32' });
      const pick = (all: Float32Array): Float32Array<ArrayBuffer> =>
        Float32Array.from(numbers.flatMap((row) => [...all.slice(row * words(perRow), row * words(perRow) + perRow)]));
      const count = (Math.max(...numbers) + 1) * words(perRow);
      const shape = [numbers.length, perRow];
      await expectBits(
        rand(shape, { device, generator: start(), rows, bound: 0.3 }),
        pick(start().uniform(count, 0.3)),
      );
      await expectBits(randn(shape, { device, generator: start(), rows }), pick(start().normal(count)));
    }
    const generator = new Generator(3);
    rand([1, 2], { device, generator, rows: tensor([0], { device, dtype: 'i32' }) });
    expect(generator.state().offset).toEqual([0, 1]);
    expect(() => rand([2], { device, rows: tensor([0], { device, dtype: 'i32' }) })).toThrow(ShapeError);
  });

  it('agree far into the tail', async () => {
    const expected = new Generator(8).normal(1 << 20);
    expect(expected.some((value) => Math.abs(value) > 4.7)).toBe(true);
    await expectBits(randn([1 << 20], { device, seed: 8 }), expected);
  });

  it('have any shape, and repeat with the seed', async () => {
    const x = rand([2, 3, 5], { device, seed: 6 });
    expect(x.shape).toEqual([2, 3, 5]);
    expect(await x.data()).toEqual(await rand([30], { device, seed: 6 }).data());
    expect(await x.data()).not.toEqual(await rand([30], { device, seed: 7 }).data());
    expect(await randn([], { device, seed: 6 }).item()).toBe(new Generator(6).normal(1)[0]);
  });

  it('draw from the device’s own stream unless told', async () => {
    manualSeed(device, 21);
    const values = [...(await rand([5], { device }).floats()), ...(await rand([3], { device }).floats())];
    const generator = new Generator(21);
    expect(values).toEqual([...generator.uniform(5), ...generator.uniform(3)]);
    expect(generatorOf(device).state()).toEqual(generator.state());
    manualSeed(device, 21);
    expect([...(await rand([5], { device }).floats())]).toEqual(values.slice(0, 5));
    expect(generatorOf(device, 'dropout').state()).toEqual(new Generator(21, { purpose: 'dropout' }).state());
    const other = await testDevice();
    expect(generatorOf(other).state()).toEqual(new Generator(0).state());
    other.destroy();
  });

  it('keep one table on the device, and nothing else', () => {
    randn([4], { device, seed: 1 }).dispose();
    const before = device.memory();
    device.scope(() => {
      for (let i = 0; i < 5; i++) randn([1000], { device, seed: i });
    });
    expect(device.memory()).toMatchObject({ live: before.live, tensors: before.tensors });
  });

  it('refuse what makes no sense, without moving the generator', () => {
    const generator = new Generator(1);
    const bad: [attempt: () => unknown, type: typeof ArgumentError | typeof ShapeError, message: RegExp][] = [
      [() => rand([2], { device, generator, seed: 1 }), ArgumentError, /rand: both a generator and a seed/],
      [() => randn([2], { device, generator, seed: 1 }), ArgumentError, /randn: both a generator and a seed/],
      [() => rand([-1], { device, generator }), ShapeError, /rand: shape \[-1\]/],
      [() => randn([0.5], { device, generator }), ShapeError, /randn: shape \[0.5\]/],
      [() => rand([2], { device, generator, bound: -1 }), ArgumentError, /bound -1/],
      [() => randn([2], { device, generator, std: NaN }), ArgumentError, /standard deviation NaN/],
      [() => rand([2], { device, seed: -1 }), ArgumentError, /seed: -1/],
      [
        () => {
          manualSeed(device, 0.5);
        },
        ArgumentError,
        /seed: 0.5/,
      ],
    ];
    for (const [attempt, type, message] of bad) {
      expect(attempt).toThrow(type);
      expect(attempt).toThrow(message);
    }
    expect(generator.state()).toEqual(new Generator(1).state());
  });
});

describe('dropout', () => {
  it('keeps the mean and drops the share that it should', async () => {
    const y = await dropout(ones([100_000], { device }), 0.3, { generator: new Generator(5) }).floats();
    const dropped = y.filter((value) => value === 0).length;
    expect(Math.abs(dropped - 30_000)).toBeLessThan(4 * Math.sqrt(100_000 * 0.3 * 0.7));
    expect(new Set(y)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
  });

  it('drops nothing at p = 0 or outside training, and everything at p = 1', async () => {
    const x = randn([9], { device, seed: 1 });
    const generator = new Generator(2);
    expect(dropout(x, 0, { generator })).toBe(x);
    expect(dropout(x, 0.5, { generator, training: false })).toBe(x);
    expect(generator.state().offset).toEqual([0, 0]);
    expect([...(await dropout(x, 1, { generator }).floats())]).toEqual(Array<number>(9).fill(0));
    expect([...(await dropout(tensor([NaN, Infinity], { device }), 1).floats())]).toEqual([0, 0]);
  });

  it('gives the gradient the same mask, to any order, storing none', async () => {
    const x = randn([1027], { device, seed: 2 }).requireGrad();
    const before = device.memory().tensors;
    const y = dropout(x, 0.4, { generator: new Generator(7) });
    expect(device.memory().tensors).toBe(before + 1);
    const upstream = randn([1027], { device, seed: 3 });
    const mask = await dropout(ones([1027], { device }), 0.4, { generator: new Generator(7) }).floats();
    const u = await upstream.floats();
    const [first] = grad(y.mul(upstream).sum(), [x]);
    const masked = u.map((value, i) => (mask[i] === 0 ? 0 : value * (mask[i] ?? NaN)));
    expect(await first?.floats()).toEqual(masked);

    const [slope] = grad(
      dropout(x, 0.4, { generator: new Generator(7) })
        .pow(2)
        .sum(),
      [x],
      { createGraph: true },
    );
    const [second] = slope ? grad(slope.sum(), [x]) : [];
    const curvature = Array.from(mask, (value) => 2 * value * value);
    ((await second?.floats()) ?? []).forEach((value, i) => {
      expect(Math.abs(value - (curvature[i] ?? NaN))).toBeLessThan(1e-5);
    });
    expect(second?.size).toBe(1027);
  });

  it('refuses what makes no sense', () => {
    const x = zeros([2], { device });
    for (const p of [-0.1, 1.1, NaN]) expect(() => dropout(x, p)).toThrow(ArgumentError);
    expect(() => dropout(x, 2)).toThrow(/^dropout: p is 2; expected a probability, 0 to 1/);
    expect(() => dropout(zeros([2], { device, dtype: 'i32' }), 0.5)).toThrow(DTypeError);
  });
});
