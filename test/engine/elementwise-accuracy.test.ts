import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cos,
  erf,
  expm1,
  isFinite,
  isNaN,
  log1p,
  round,
  sin,
  tensor,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { erf as erfDefinition } from '../support/references/elementwise.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** A function of the engine, its definition, and where it has to be right. */
interface Accuracy {
  readonly name: string;
  readonly call: (x: Tensor) => Tensor;
  readonly definition: (x: number) => number;
  readonly points: readonly number[];
}

const NEAR_ZERO = [1e-7, -1e-7, 1e-5, 1e-3, -1e-3, 0.01, 0.3, -0.3, 0.499, 0.501, -0.499, -0.501, 0.9, -0.9];

const accuracies: readonly Accuracy[] = [
  { name: 'log1p', call: log1p, definition: Math.log1p, points: [...NEAR_ZERO, 3, 1e6] },
  { name: 'expm1', call: expm1, definition: Math.expm1, points: [...NEAR_ZERO, 3, 20, -3, -30] },
  {
    name: 'erf',
    call: erf,
    definition: erfDefinition,
    points: [...NEAR_ZERO, 0.999, 1.001, 1.5, -2, 3, -3.9, 4.1, -6],
  },
  { name: 'sin', call: sin, definition: Math.sin, points: [...NEAR_ZERO, 1, -2, 3, 4, 6, -7, 31, 1000.5, -9999.25] },
  { name: 'cos', call: cos, definition: Math.cos, points: [...NEAR_ZERO, 1, -2, 3, 4, 6, -7, 31, 1000.5, -9999.25] },
];

describe('accuracy of single values, relative to each', () => {
  it.each(accuracies)('$name', async ({ call, definition, points }) => {
    const x = Float32Array.from(points);
    const y = await call(tensor(x, { device })).data();
    for (const [index, point] of x.entries()) {
      const expected = definition(point);
      expect(Math.abs((y[index] ?? Number.NaN) - expected) / Math.abs(expected), `at ${point}`).toBeLessThan(1e-6);
    }
  });

  it('round takes halves to the even neighbour', async () => {
    const y = round(tensor([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, 7], { device }));
    expect([...(await y.data())].map((value) => value + 0)).toEqual([0, 2, 2, 0, -2, 2, 7]);
  });

  it('isNaN and isFinite see what the words hold', async () => {
    const x = tensor(Float32Array.from([0, -0, 1e-45, 3.4e38, Infinity, -Infinity, Number.NaN, -1]), { device });
    expect([...(await isNaN(x).data())]).toEqual([0, 0, 0, 0, 0, 0, 1, 0]);
    expect([...(await isFinite(x).data())]).toEqual([1, 1, 1, 1, 0, 0, 0, 1]);
    expect(isNaN(x).dtype).toBe('bool');
  });
});
