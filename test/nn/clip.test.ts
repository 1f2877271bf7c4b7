import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, compile, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { SGD, clipGradNorm, clipGradValue } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const MODES = ['eager', 'captured'] as const;
const SHAPES = [[7], [3, 5], [], [65, 33], [0, 4], [1]];
const sizeOf = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

function draw(seed: number, scale = 1): Tensor[] {
  return SHAPES.map((shape, index) =>
    tensor(uniformFloats(sizeOf(shape), seed + index, -scale, scale), { device, shape }),
  );
}

/** A function of gradients as it is, or compiled. */
function inMode<R>(mode: (typeof MODES)[number], fn: (...gradients: readonly Tensor[]) => R) {
  return mode === 'captured' ? compile(fn) : Object.assign(fn, { dispose: () => undefined });
}

const valuesOf = async (tensors: readonly Tensor[]): Promise<number[]> =>
  (await Promise.all(tensors.map((each) => each.floats()))).flatMap((values) => [...values]);

const normOf = (values: readonly number[]): number => Math.sqrt(values.reduce((total, value) => total + value ** 2, 0));

/** Expects values to be the expected ones but for a few roundings. */
function expectNear(got: readonly number[], expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length);
  const far = got.filter(
    (value, i) => !(Math.abs(value - (expected[i] ?? NaN)) <= 1e-6 * Math.abs(expected[i] ?? NaN)),
  );
  expect(far).toEqual([]);
}

describe('clipGradNorm', () => {
  it.each(MODES)("is PyTorch's clip_grad_norm_, by its definition, %s", async (mode) => {
    for (const maxNorm of [0.3, 20, 1e4]) {
      const call = inMode(mode, (...gradients) => clipGradNorm(gradients, maxNorm));
      for (const seed of [1, 100]) {
        const given = draw(seed);
        const before = await valuesOf(given);
        const { gradients, norm } = call(...given);
        const total = normOf(before);
        expect(norm.shape).toEqual([]);
        expectNear([await norm.item()], [total]);
        const factor = Math.min(1, maxNorm / (total + 1e-6));
        expect(factor < 1).toBe(maxNorm < 1e4);
        const clipped = before.map((value) => value * factor);
        expectNear(await valuesOf(gradients), clipped);
        expect(gradients.map(({ shape }) => shape)).toEqual(SHAPES);
        expect(await valuesOf(given)).toEqual(before);
      }
      call.dispose();
    }
  });

  it('leaves gradients of a smaller norm as they are, to the bit, and zeros too; Infinity only measures', async () => {
    const given = draw(5, 1e-3);
    const before = await valuesOf(given);
    for (const maxNorm of [1, Infinity]) {
      const { gradients, norm } = clipGradNorm(given, maxNorm);
      expect(await valuesOf(gradients)).toEqual(before);
      expectNear([await norm.item()], [normOf(before)]);
    }
    const nothing = clipGradNorm([zeros([5], { device }), zeros([0], { device })], 0.1);
    expect(await valuesOf(nothing.gradients)).toEqual([0, 0, 0, 0, 0]);
    expect(await nothing.norm.item()).toBe(0);
  });

  it('hides no NaN: its norm is NaN, and so is every gradient', async () => {
    const given = [tensor([1, NaN, 2], { device }), tensor([0, 3], { device })];
    for (const maxNorm of [0.5, Infinity]) {
      const { gradients, norm } = clipGradNorm(given, maxNorm);
      expect(await norm.item()).toBeNaN();
      expect(await valuesOf(gradients)).toEqual([NaN, NaN, NaN, NaN, NaN]);
    }
    const { norm } = clipGradNorm([tensor([1, Infinity], { device })], 1);
    expect(await norm.item()).toBe(Infinity);
  });

  it('takes few dispatches, whatever the number of gradients', () => {
    const given = Array.from({ length: 40 }, () => zeros([64], { device }));
    const before = device.counters.dispatches;
    clipGradNorm(given, 1);
    expect(device.counters.dispatches - before).toBeLessThanOrEqual(4);
  });

  it('refuses limits and gradients that cannot be', () => {
    const given = draw(1);
    for (const maxNorm of [0, -1, NaN]) expect(() => clipGradNorm(given, maxNorm)).toThrow(ArgumentError);
    expect(() => clipGradNorm([], 1)).toThrow(/clipGradNorm: no gradients/);
    expect(() => clipGradNorm([zeros([1], { device, dtype: 'i32' })], 1)).toThrow(/a gradient is i32; expected f32/);
  });
});

describe('clipGradValue', () => {
  it.each(MODES)('clamps every element, %s, and keeps NaN', async (mode) => {
    const call = inMode(mode, (...gradients) => clipGradValue(gradients, 0.25));
    const given = [...draw(9), tensor([NaN, Infinity, -Infinity, -0.125], { device })];
    const before = await valuesOf(given);
    const clipped = call(...given);
    expect(await valuesOf(clipped)).toEqual(before.map((value) => Math.min(Math.max(value, -0.25), 0.25)));
    expect(clipped.map(({ shape }) => shape)).toEqual([...SHAPES, [4]]);
    call.dispose();
  });

  it('refuses limits that cannot be', () => {
    expect(() => clipGradValue(draw(1), 0)).toThrow(/clipGradValue: limit is 0; expected a number above 0/);
  });
});

describe('a step with maxNorm', () => {
  const options = { lr: 0.5, momentum: 0.9 };
  const filled = (seed: number): Tensor[] => draw(seed).filter(({ size }) => size > 0);

  it.each(MODES)('is the step of the clipped gradients, to the bit, %s', async (mode) => {
    const [left, right] = [filled(50), filled(50)];
    const [one, other] = [new SGD(left, options), new SGD(right, options)];
    const call = inMode(mode, (...gradients) => other.step(gradients, { maxNorm: 2 }));
    for (const seed of [60, 70, 80]) {
      const { gradients, norm } = clipGradNorm(filled(seed), 2);
      one.step(gradients);
      const { gradientNorm } = call(...filled(seed));
      expect(await gradientNorm?.item()).toBe(await norm.item());
      expect(await valuesOf(right)).toEqual(await valuesOf(left));
    }
    call.dispose();
    for (const each of [one, other]) each.dispose();
  });

  it('measures nothing without, and refuses what is no limit', () => {
    const sgd = new SGD(filled(50), options);
    const before = device.counters.dispatches;
    expect(sgd.step(filled(60))).toEqual({});
    expect(device.counters.dispatches - before).toBe(1);
    expect(() => sgd.step(filled(60), { maxNorm: 0 })).toThrow(/SGD: maxNorm is 0; expected a number above 0/);
    sgd.dispose();
  });
});
