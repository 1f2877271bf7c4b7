import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, tensor, type Device, type Tensor } from '../../engine/index.js';
import { SGD, decodeSafetensors, encodeSafetensors, readTensors } from '../../nn/index.js';
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
const sizeOf = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);
const draw = (seed: number): Tensor[] =>
  SHAPES.map((shape, index) => tensor(uniformFloats(sizeOf(shape), seed + index), { device, shape }));
const valuesOf = async (tensors: readonly Tensor[]): Promise<number[]> =>
  (await Promise.all(tensors.map((each) => each.floats()))).flatMap((values) => [...values]);

describe('SWA', () => {
  it.each(['eager', 'captured'])('is the mean of the parameters at its updates, %s', async (mode) => {
    const parameters = draw(1);
    const optimizer = new SGD(parameters, { lr: 0.5 });
    const swa = optimizer.averageEqually({ start: 2 });
    const learn = (...gradients: readonly Tensor[]): void => {
      optimizer.step(gradients);
      swa.update();
    };
    const step = mode === 'captured' ? compile(learn) : Object.assign(learn, { dispose: () => undefined });
    const seen: number[][] = [];
    for (let time = 1; time <= 7; time++) {
      step(...draw(10 * time));
      seen.push(await valuesOf(parameters));
      if (time <= 2) expect(await valuesOf(swa.averages)).toEqual(seen.at(-1));
    }
    // The first is forgotten: the mean begins with the last of the two that are taken as they are.
    const counted = seen.slice(1);
    const mean = seen[0]?.map((_, i) => counted.reduce((sum, values) => sum + (values[i] ?? NaN), 0) / counted.length);
    const got = await valuesOf(swa.averages);
    expect(got.filter((value, i) => !(Math.abs(value - (mean?.[i] ?? NaN)) < 5 * 3 * 4 * 2 ** -24))).toEqual([]);
    swa.swap();
    expect(await valuesOf(parameters)).toEqual(got);
    swa.swap();
    expect(await valuesOf(parameters)).toEqual(seen.at(-1));
    step.dispose();
  });

  it('goes on from a saved state, bit for bit', async () => {
    const runs = [draw(1), draw(1)].map((parameters) => new SGD(parameters, { lr: 0.5 }));
    const [whole, resumed] = runs.map((optimizer) => optimizer.averageEqually());
    const learn = (time: number): void => {
      for (const optimizer of runs) optimizer.step(draw(10 * time));
      whole?.update();
    };
    for (const time of [1, 2, 3]) learn(time);
    const file = encodeSafetensors(await readTensors(whole?.stateDict() ?? {}));
    resumed?.loadStateDict(decodeSafetensors(file, 'saved').tensors);
    learn(4);
    resumed?.update();
    expect(await valuesOf(resumed?.averages ?? [])).toEqual(await valuesOf(whole?.averages ?? []));
  });

  it('refuses a start that is no count, and a swap before the first update', () => {
    const optimizer = new SGD(draw(1), { lr: 0.5 });
    expect(() => optimizer.averageEqually({ start: 1.5 })).toThrow(/SWA: start is 1.5; expected an integer from 1 up/);
    expect(() => optimizer.averageEqually().swap()).toThrow(/SWA.swap: there is no average yet/);
  });
});
