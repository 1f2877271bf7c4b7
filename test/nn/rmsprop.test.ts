import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import {
  RMSprop,
  StateDictError,
  decodeSafetensors,
  encodeSafetensors,
  readTensors,
  type RMSpropOptions,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, goldenTolerance, loadGolden, type GoldenCase } from '../support/golden.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const NAMES = {
  lr: 'lr',
  alpha: 'alpha',
  eps: 'eps',
  weight_decay: 'weightDecay',
  momentum: 'momentum',
  centered: 'centered',
};

/** The options of a case, under the names of this library. */
function optionsOf({ attrs }: GoldenCase): RMSpropOptions {
  const given = Object.entries(NAMES).flatMap(([from, name]) => (from in attrs ? [[name, attrs[from]]] : []));
  return Object.fromEntries(given) as RMSpropOptions;
}

const INDICES = [0, 1];
const { cases } = loadGolden('rmsprop');
const modes = cases.flatMap((golden) =>
  (['eager', 'captured'] as const).map((mode) => ({ id: golden.id, golden, mode })),
);

const input = (golden: GoldenCase, name: string): Tensor =>
  tensor(golden.floats(name), { device, shape: golden.input(name).shape });
const gradientsOf = (golden: GoldenCase, step: number): Tensor[] =>
  INDICES.map((index) => input(golden, `g${index}_${step}`));

/** What an optimiser does with gradients, as it is or compiled. */
function stepOf(optimizer: RMSprop, mode: 'eager' | 'captured') {
  const step = (...gradients: readonly Tensor[]): void => {
    optimizer.step(gradients);
  };
  return mode === 'captured' ? compile(step) : Object.assign(step, { dispose: () => undefined });
}

describe('RMSprop', () => {
  it('has reference cases of each of its forms', () => {
    const forms = cases.map(({ attrs }) => ['weight_decay', 'momentum', 'centered'].filter((name) => name in attrs));
    expect(forms).toEqual([[], ['weight_decay'], ['momentum'], ['centered'], ['weight_decay', 'momentum', 'centered']]);
  });

  it.each(modes)('follows PyTorch in $id, $mode', async ({ golden, mode }) => {
    const parameters = INDICES.map((index) => input(golden, `p${index}`));
    const optimizer = new RMSprop(parameters, optionsOf(golden));
    const take = stepOf(optimizer, mode);
    for (let step = 0; step < golden.number('steps'); step++) {
      take(...gradientsOf(golden, step));
      for (const [index, parameter] of parameters.entries()) {
        const name = `p${index}_after${step + 1}`;
        expectGolden(await parameter.floats(), golden.output(name), goldenTolerance.optim, name);
      }
    }
    take.dispose();
    optimizer.dispose();
  });

  it.each<RMSpropOptions>([
    {},
    { lr: 0.1, alpha: 0, eps: 0.5 },
    { alpha: 0.7, momentum: 0.9 },
    { alpha: 0.7, weightDecay: 0.2, centered: true, eps: 0.01 },
    { momentum: 0.3, centered: true, eps: 0.01 },
  ])('is its definition in float64 with %j, for many elements and a rate that changes', async (options) => {
    const shapes = [[1], [65, 33], [4099]];
    const draw = (shape: readonly number[], seed: number): Float32Array<ArrayBuffer> =>
      uniformFloats(
        shape.reduce((size, length) => size * length, 1),
        seed,
      );
    const starts = shapes.map((shape, index) => draw(shape, index + 1));
    const parameters = shapes.map((shape, index) => tensor(starts[index] ?? [], { device, shape }));
    const optimizer = new RMSprop(parameters, options);
    const { alpha, eps, weightDecay, momentum, centered } = optimizer;
    const state = starts.map((start) => Array.from(start, (p) => ({ p, v: 0, a: 0, buf: 0 })));
    for (let step = 1; step <= 3; step++) {
      optimizer.lr = 0.05 / step;
      const gradients = shapes.map((shape, index) => draw(shape, 10 * step + index));
      optimizer.step(shapes.map((shape, index) => tensor(gradients[index] ?? [], { device, shape })));
      state.forEach((elements, index) => {
        elements.forEach((each, i) => {
          const g = (gradients[index]?.[i] ?? NaN) + weightDecay * each.p;
          each.v = alpha * each.v + (1 - alpha) * g * g;
          each.a = alpha * each.a + (1 - alpha) * g;
          const root = Math.sqrt(centered ? each.v - each.a ** 2 : each.v);
          each.buf = momentum * each.buf + g / (root + eps);
          each.p -= optimizer.lr * each.buf;
        });
      });
    }
    for (const [index, parameter] of parameters.entries()) {
      const got = await parameter.floats();
      // Updates of at most a few units, each of a handful of roundings.
      const far = state[index]?.filter(({ p }, i) => !(Math.abs((got[i] ?? NaN) - p) < 5e-6));
      expect(far).toEqual([]);
    }
    optimizer.dispose();
  });

  it('keeps a variance that rounding would take below 0 at 0', async () => {
    const parameter = tensor([0], { device });
    const optimizer = new RMSprop([parameter], { lr: 1e-6, alpha: 0.5, eps: 1, centered: true });
    const gradient = tensor([1.1], { device });
    for (let step = 0; step < 60; step++) optimizer.step([gradient]);
    expect(Math.abs((await parameter.item()) + 60 * 1.1e-6)).toBeLessThan(2e-5);
    optimizer.dispose();
  });

  it.each([
    { id: 'rmsprop-0', names: ['step', 'square_avg'] },
    { id: 'rmsprop-4', names: ['step', 'square_avg', 'momentum_buffer', 'grad_avg'] },
  ])('resumes $id from its saved state with the same bits', async ({ id, names }) => {
    const golden = loadGolden('rmsprop').case(id);
    const parameters = INDICES.map((index) => input(golden, `p${index}`));
    const unbroken = new RMSprop(parameters, optionsOf(golden));
    for (const step of [0, 1]) unbroken.step(gradientsOf(golden, step));
    const saved = await readTensors(unbroken.stateDict());
    expect(Object.keys(saved)).toEqual(INDICES.flatMap((index) => names.map((name) => `${index}.${name}`)));
    expect(saved['1.step']?.data).toEqual(Float32Array.of(2));
    const copies = await Promise.all(
      parameters.map(async (parameter) => tensor(await parameter.data(), { device, shape: parameter.shape })),
    );
    unbroken.step(gradientsOf(golden, 2));
    const resumed = new RMSprop(copies, optionsOf(golden));
    resumed.loadStateDict(decodeSafetensors(encodeSafetensors(saved), 'saved').tensors);
    resumed.step(gradientsOf(golden, 2));
    for (const index of INDICES) expect(await copies[index]?.data()).toEqual(await parameters[index]?.data());
    for (const optimizer of [unbroken, resumed]) optimizer.dispose();
  });

  it('takes one dispatch a step over all parameters, no new memory, and gives back what it took', () => {
    const parameters = [zeros([70], { device }), zeros([3], { device })];
    const gradients = parameters.map((parameter) => parameter.onesLike());
    const before = device.memory();
    const optimizer = new RMSprop(parameters, { momentum: 0.5, centered: true });
    optimizer.step(gradients);
    const [memory, { dispatches, pipelines }] = [device.memory(), { ...device.counters }];
    optimizer.lr = 0.5;
    optimizer.step(gradients);
    expect(device.counters).toMatchObject({ dispatches: dispatches + 1, pipelines });
    expect(device.memory()).toEqual(memory);
    optimizer.dispose();
    expect(device.memory().tensors).toBe(before.tensors);
  });

  it('refuses options and states that cannot be', () => {
    const parameters = [zeros([3], { device })];
    expect(() => new RMSprop(parameters, { alpha: 1 })).toThrow(
      /RMSprop: alpha is 1; expected a number from 0 up, below 1/,
    );
    expect(() => new RMSprop(parameters, { momentum: -1 })).toThrow(/RMSprop: momentum is -1/);
    expect(() => new RMSprop(parameters, { eps: NaN })).toThrow(/RMSprop: eps is NaN/);
    expect(() => new RMSprop(parameters, { weightDecay: Infinity })).toThrow(/RMSprop: weightDecay is Infinity/);
    const optimizer = new RMSprop(parameters);
    const centered = new RMSprop([zeros([3], { device })], { centered: true });
    expect(() => optimizer.loadStateDict(centered.stateDict())).toThrow(StateDictError);
    expect(() => optimizer.loadStateDict(new Map())).toThrow(/RMSprop.loadStateDict: [^]*missing 0.step/);
    for (const each of [optimizer, centered]) each.dispose();
  });
});
