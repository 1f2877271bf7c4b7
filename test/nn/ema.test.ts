import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, compile, tensor, type Device, type Tensor } from '../../engine/index.js';
import { SGD, StateDictError, decodeSafetensors, encodeSafetensors, readTensors, type EMA } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const SHAPES = [[7], [3, 5], [], [2, 64]];
const LR = 0.5;

const draw = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    uniformFloats(
      shape.reduce((size, length) => size * length, 1),
      seed,
    ),
    { device, shape },
  );

interface Setting {
  readonly parameters: readonly Tensor[];
  readonly optimizer: SGD;
  readonly ema: EMA;
}

function setting(decay = 0.9): Setting {
  const parameters = SHAPES.map((shape, index) => draw(shape, index + 1));
  const optimizer = new SGD(parameters, { lr: LR });
  return { parameters, optimizer, ema: optimizer.average({ decay }) };
}

const gradientsOf = (step: number): Tensor[] => SHAPES.map((shape, index) => draw(shape, 100 * step + index));

const valuesOf = async (tensors: readonly Tensor[]): Promise<number[]> =>
  (await Promise.all(tensors.map((each) => each.floats()))).flatMap((values) => [...values]);

function advance({ optimizer, ema }: Setting, from: number, to: number): void {
  for (let step = from; step <= to; step++) {
    optimizer.step(gradientsOf(step));
    ema.update();
  }
}

describe('EMA', () => {
  it('starts from the parameters, to the bit, and follows them by its definition', async () => {
    const each = setting(0.75);
    advance(each, 1, 1);
    let expected = await valuesOf(each.parameters);
    expect(await valuesOf(each.ema.averages)).toEqual(expected);
    for (let step = 2; step <= 6; step++) {
      advance(each, step, step);
      const now = await valuesOf(each.parameters);
      expected = expected.map((average, i) => 0.75 * average + 0.25 * (now[i] ?? NaN));
    }
    const got = await valuesOf(each.ema.averages);
    // Five updates, each rounded three times, of values below 4.
    got.forEach((value, i) => expect(Math.abs(value - (expected[i] ?? NaN))).toBeLessThan(5 * 3 * 4 * 2 ** -24));
  });

  it('keeps min(decay, (1 + t) / (10 + t)) in its warm-up, t from 0 with the first update after `start`', async () => {
    const parameters = SHAPES.map((shape, index) => draw(shape, index + 1));
    const optimizer = new SGD(parameters, { lr: LR });
    const ema = optimizer.average({ decay: 0.25, warmup: true, start: 2 });
    const step = compile((...gradients: readonly Tensor[]) => {
      optimizer.step(gradients);
      ema.update();
    });
    let expected: number[] = [];
    for (const [index, kept] of [0, 0, 1 / 10, 2 / 11, 3 / 12, 0.25, 0.25].entries()) {
      step(...gradientsOf(index + 1));
      const now = await valuesOf(parameters);
      expected = now.map((p, i) => (kept === 0 ? p : kept * (expected[i] ?? NaN) + (1 - kept) * p));
      const got = await valuesOf(ema.averages);
      expect(got.filter((value, i) => !(Math.abs(value - (expected[i] ?? NaN)) < 15 * 4 * 2 ** -24))).toEqual([]);
      if (kept === 0) expect(got).toEqual(now);
    }
    expect(() => optimizer.average({ start: 0 })).toThrow(/EMA: start is 0; expected an integer from 1 up/);
    step.dispose();
  });

  it('takes one dispatch an update over all parameters, and no new memory', async () => {
    const each = setting();
    advance(each, 1, 1);
    await device.sync();
    const [counters, memory] = [{ ...device.counters }, device.memory().live];
    each.ema.update();
    expect(device.counters.dispatches - counters.dispatches).toBe(1);
    expect(device.memory().live).toBe(memory);
  });

  it('changes places with the parameters, and back', async () => {
    const each = setting();
    advance(each, 1, 3);
    const [parameters, averages] = [await valuesOf(each.parameters), await valuesOf(each.ema.averages)];
    each.ema.swap();
    expect(await valuesOf(each.parameters)).toEqual(averages);
    expect(await valuesOf(each.ema.averages)).toEqual(parameters);
    each.ema.swap();
    expect(await valuesOf(each.parameters)).toEqual(parameters);
  });

  it('goes on from a saved state, bit for bit', async () => {
    const [whole, first, second] = [setting(), setting(), setting()];
    advance(whole, 1, 5);
    advance(first, 1, 2);
    const file = encodeSafetensors(await readTensors(first.ema.stateDict()));
    second.ema.loadStateDict(decodeSafetensors(file, 'saved').tensors);
    for (const step of [1, 2]) second.optimizer.step(gradientsOf(step));
    advance(second, 3, 5);
    expect(await valuesOf(second.ema.averages)).toEqual(await valuesOf(whole.ema.averages));
  });

  it('is the same in a compiled step, on the first run and the tenth', async () => {
    const [eager, captured] = [setting(), setting()];
    const step = compile(
      (...gradients: readonly Tensor[]) => {
        captured.optimizer.step(gradients);
        captured.ema.update();
      },
      { fuse: false },
    );
    for (let run = 1; run <= 10; run++) {
      advance(eager, run, run);
      step(...gradientsOf(run));
      if (run > 2 && run < 10) continue;
      expect(await valuesOf(captured.ema.averages)).toEqual(await valuesOf(eager.ema.averages));
    }
    step.dispose();
  });

  it('refuses what is no decay, no average yet, and parameters that have left', () => {
    const each = setting();
    expect(() => each.optimizer.average({ decay: 1 })).toThrow(/EMA: decay is 1; expected a number from 0 up, below 1/);
    expect(() => each.optimizer.average({ decay: Number.NaN })).toThrow(ArgumentError);
    expect(() => each.ema.swap()).toThrow(/no average yet/);
    const other = new SGD(each.parameters, { lr: LR });
    expect(() => each.ema.update()).toThrow(/EMA: parameter 0 of shape \[7\] now belongs to another optimiser/);
    other.dispose();
  });

  it('refuses a state that does not fit, and keeps its own', async () => {
    const each = setting();
    advance(each, 1, 2);
    const before = await valuesOf(each.ema.averages);
    const state = await readTensors(each.ema.stateDict());
    const without = (name: string) => Object.fromEntries(Object.entries(state).filter(([key]) => key !== name));
    expect(() => each.ema.loadStateDict(without('n_averaged'))).toThrow(/missing n_averaged/);
    expect(() => each.ema.loadStateDict(without('2'))).toThrow(StateDictError);
    const count = { dtype: 'F32', shape: [], data: Float32Array.of(1.5) } as const;
    expect(() => each.ema.loadStateDict({ ...state, n_averaged: count })).toThrow(/not a count/);
    expect(await valuesOf(each.ema.averages)).toEqual(before);
  });

  it('gives its memory back', () => {
    const each = setting();
    const memory = device.memory().live;
    const another = each.optimizer.average();
    expect(device.memory().live).toBeGreaterThan(memory);
    another.dispose();
    expect(device.memory().live).toBe(memory);
  });
});
