import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cwL2, cwL2Attack } from '../../adversarial/index.js';
import {
  ArgumentError,
  Generator,
  ShapeError,
  argmax,
  matmul,
  noGrad,
  slice,
  tensor,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { Linear, ReLU, Sequential } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const scoped = (body: () => Promise<void>) => () => device.scope(body);
const [D, CLASSES] = [7, 3];

const images = (m: number): Tensor => tensor(uniformFloats(D * m, 3, 0.2, 0.8), { device, shape: [m, D] });
const WEIGHTS = uniformFloats(D * CLASSES, 8, -1, 1);
/** A linear model, with its weights `[D, CLASSES]`. */
const linear = (batch: Tensor): Tensor => matmul(batch, tensor(WEIGHTS, { device, shape: [D, CLASSES] }));
const classesOf = (model: (x: Tensor) => Tensor, x: Tensor): Tensor => noGrad(device, () => argmax(model(x), 1));

interface NaiveOptions {
  readonly searchSteps: number;
  readonly maxIterations: number;
  readonly initialC: number;
  readonly learningRate: number;
  readonly kappa: number;
}

/** The authors' procedure for one sample of the linear model, in float64. */
function naive(
  x: readonly number[],
  label: number,
  options: NaiveOptions,
): { distance: number; image: readonly number[]; c: number } {
  const { searchSteps, maxIterations, initialC, learningRate, kappa } = options;
  const logitsOf = (a: readonly number[]): number[] =>
    Array.from({ length: CLASSES }, (_, k) =>
      a.reduce((sum, value, i) => sum + value * (WEIGHTS[i * CLASSES + k] ?? NaN), 0),
    );
  const rival = (z: readonly number[]): number =>
    z.reduce((best, value, k) => (k !== label && (best === label || value > (z[best] ?? NaN)) ? k : best), label);
  let best = { distance: Infinity, image: x };
  let [c, lower, upper] = [initialC, 0, 1e10];
  for (let tried = 0; tried < searchSteps; tried++) {
    const origin = x.map((value) => Math.atanh((2 * value - 1) * 0.999999));
    const w = x.map(() => 0);
    const [first, second] = [x.map(() => 0), x.map(() => 0)];
    let [succeeded, stopped, previous] = [false, false, 1e10];
    for (let t = 1; t <= maxIterations && !stopped; t++) {
      const turned = w.map((value, i) => Math.tanh(value + (origin[i] ?? NaN)));
      const a = turned.map((value) => (value + 1) / 2);
      const z = logitsOf(a);
      const other = rival(z);
      const reached = (z[other] ?? NaN) - (z[label] ?? NaN);
      const away = a.reduce((sum, value, i) => sum + (value - (x[i] ?? NaN)) ** 2, 0);
      const loss = away + c * Math.max(0, kappa - reached);
      if (reached > kappa) {
        succeeded = true;
        if (away < best.distance) best = { distance: away, image: a };
      }
      for (let i = 0; i < w.length; i++) {
        const slope =
          kappa - reached > 0 ? (WEIGHTS[i * CLASSES + label] ?? NaN) - (WEIGHTS[i * CLASSES + other] ?? NaN) : 0;
        const gradient = (2 * ((a[i] ?? NaN) - (x[i] ?? NaN)) + c * slope) * 0.5 * (1 - (turned[i] ?? NaN) ** 2);
        first[i] = 0.9 * (first[i] ?? NaN) + 0.1 * gradient;
        second[i] = 0.999 * (second[i] ?? NaN) + 0.001 * gradient ** 2;
        const [corrected, spread] = [
          (first[i] ?? NaN) / (1 - 0.9 ** t),
          Math.sqrt((second[i] ?? NaN) / (1 - 0.999 ** t)) + 1e-8,
        ];
        w[i] = (w[i] ?? NaN) - (learningRate * corrected) / spread;
      }
      if (t % Math.max(1, Math.trunc(maxIterations / 10)) === 0) {
        stopped = loss > 0.9999 * previous;
        previous = loss;
      }
    }
    if (succeeded) upper = Math.min(upper, c);
    else lower = Math.max(lower, c);
    c = upper < 1e9 ? (lower + upper) / 2 : c * 10;
  }
  return { ...best, c };
}

describe('cwL2', () => {
  it.each([
    { searchSteps: 1, maxIterations: 25, initialC: 3, learningRate: 0.05, kappa: 0 },
    { searchSteps: 5, maxIterations: 40, initialC: 0.01, learningRate: 0.05, kappa: 0 },
    { searchSteps: 4, maxIterations: 30, initialC: 1, learningRate: 0.1, kappa: 0.2 },
  ])('does what the published procedure does, step for step: %j', async (options) => {
    await device.scope(async () => {
      const m = 8;
      const x = images(m);
      const labels = classesOf(linear, x);
      const found = await cwL2(linear, x, labels, options);
      const [points, truth, distances, ends] = [
        await x.floats(),
        await labels.data(),
        await found.distances.floats(),
        await found.images.floats(),
      ];
      let count = 0;
      for (let row = 0; row < m; row++) {
        const expected = naive([...points.subarray(row * D, (row + 1) * D)], truth[row] ?? 0, options);
        if (expected.distance === Infinity) {
          expect(distances[row]).toBe(1e10);
          continue;
        }
        count++;
        // Float32 against float64 over all those steps, which are no wider than the learning rate.
        expect(distances[row]).toBeCloseTo(Math.sqrt(expected.distance), 3);
        expected.image.forEach((value, i) => expect(ends[row * D + i]).toBeCloseTo(value, 3));
      }
      expect(count).toBeGreaterThan(m / 2);
    });
  });

  it(
    'comes near to the closed form on a linear model, with the defaults but fewer iterations',
    scoped(async () => {
      const m = 6;
      const x = images(m);
      const labels = classesOf(linear, x);
      const { distances, images: found } = await cwL2(linear, x, labels, { maxIterations: 300, initialC: 0.1 });
      const [points, truth, lengths, ends] = [
        await x.floats(),
        await labels.data(),
        await distances.floats(),
        await classesOf(linear, found).data(),
      ];
      for (let row = 0; row < m; row++) {
        const own = truth[row] ?? 0;
        const nearest = [0, 1, 2]
          .filter((k) => k !== own)
          .map((k) => {
            const w = Array.from(
              { length: D },
              (_, i) => (WEIGHTS[i * CLASSES + own] ?? NaN) - (WEIGHTS[i * CLASSES + k] ?? NaN),
            );
            return w.reduce((sum, value, i) => sum + value * (points[row * D + i] ?? NaN), 0) / Math.hypot(...w);
          });
        const closed = Math.min(...nearest);
        expect(lengths[row]).toBeGreaterThanOrEqual(closed * (1 - 1e-4));
        expect(lengths[row]).toBeLessThanOrEqual(closed * 1.05 + 1e-3);
        expect(ends[row]).not.toBe(own);
      }
    }),
  );

  const network = (): Sequential => {
    const generator = new Generator(5);
    return new Sequential(
      new Linear(D, 16, { device, generator }),
      new ReLU(),
      new Linear(16, CLASSES, { device, generator }),
    );
  };
  const FEW = { searchSteps: 3, maxIterations: 40, initialC: 1, learningRate: 0.05 };

  it(
    'goes to the classes aimed at, stays in the range, and gives a sample the same result in any batch',
    scoped(async () => {
      const net = network();
      const x = images(6);
      const labels = classesOf(linear, x);
      const targets = tensor(
        Int32Array.from(await labels.data(), (label) => (label + 1) % CLASSES),
        { device },
      );
      const { images: found, distances } = await cwL2(linear, x, labels, {
        ...FEW,
        learningRate: 0.1,
        initialC: 10,
        targets,
      });
      const [ends, aims, lengths, values] = [
        await classesOf(linear, found).data(),
        await targets.data(),
        await distances.floats(),
        await found.floats(),
      ];
      lengths.forEach((length, i) => {
        if (length < 1e9) expect(ends[i]).toBe(aims[i]);
      });
      expect([...lengths].filter((length) => length < 1e9).length).toBeGreaterThan(0);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...values)).toBeLessThanOrEqual(1);
      const own = classesOf((batch) => net.forward(batch), x);
      const whole = await cwL2(net, x, own, FEW);
      const row = [{ start: 2, end: 3 }];
      const alone = await cwL2(net, slice(x, row), slice(own, row), FEW);
      const [expected, got] = [await whole.distances.floats(), await alone.distances.floats()];
      expect(got[0]).toBeCloseTo(expected[2] ?? NaN, 4);
    }),
  );

  it(
    'as an attack gives what is within its ball alone, leaves what is misclassified, stops at a signal and holds nothing',
    scoped(async () => {
      const net = network();
      const x = images(6);
      const right = await classesOf((batch) => net.forward(batch), x).data();
      const labels = tensor(
        Int32Array.from(right, (label, i) => (i === 0 ? (label + 1) % CLASSES : label)),
        { device },
      );
      const [zero, ...others] = await (await cwL2(net, x, labels, FEW)).distances.floats();
      expect(zero).toBe(0);
      const eps = [...others].sort((a, b) => a - b)[2] ?? NaN;
      const attack = cwL2Attack({ ...FEW, eps });
      expect(attack.settings).toMatchObject({ attack: 'cw-l2', norm: 'l2', eps });
      const random = { generator: new Generator(1) };
      const run = async (): Promise<Float32Array> => {
        const found = await attack.run(net, x, labels, random);
        const values = await found.floats();
        found.dispose();
        return values;
      };
      const values = await run();
      const before = device.memory().live;
      expect(await run()).toEqual(values);
      expect(device.memory().live).toBe(before);
      const from = await x.floats();
      [zero ?? 0, ...others].forEach((distance, row) => {
        const moved = Array.from({ length: D }, (_, i) =>
          Math.abs((values[row * D + i] ?? NaN) - (from[row * D + i] ?? NaN)),
        );
        expect(Math.max(...moved) > 0).toBe(distance > 0 && distance <= eps);
      });
      const signal = AbortSignal.abort(new Error('enough'));
      await expect(attack.run(net, x, labels, { ...random, signal })).rejects.toThrow('enough');
      expect(device.memory().live).toBe(before);
    }),
  );

  it('refuses what makes no sense', async () => {
    const x = images(2);
    const labels = tensor([0, 0], { device, dtype: 'i32' });
    for (const [options, text] of [
      [{ searchSteps: 0 }, /cwL2: searchSteps is 0; expected an integer from 1 up/],
      [{ maxIterations: 0.5 }, /maxIterations is 0.5/],
      [{ initialC: 0 }, /initialC is 0; expected a finite number above 0/],
      [{ learningRate: -1 }, /learningRate is -1/],
      [{ kappa: -1 }, /kappa is -1; expected a finite number from 0 up/],
    ] as const) {
      await expect(cwL2(linear, x, labels, options)).rejects.toThrow(text);
      expect(() => cwL2Attack(options)).toThrow(text);
    }
    expect(() => cwL2Attack({ eps: -1 })).toThrow(ArgumentError);
    await expect(cwL2(linear, x, tensor([0], { device, dtype: 'i32' }))).rejects.toThrow(ShapeError);
  });
});
