import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deepfool, fabTargeted, fabTargetedAttack, stepToHyperplane } from '../../adversarial/index.js';
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
const NORMS = ['linf', 'l2'] as const;
type Norm = (typeof NORMS)[number];
const RANGE = { clipMin: 0, clipMax: 1 };

const lengthOf = (row: readonly number[], norm: Norm): number =>
  norm === 'linf' ? Math.max(...row.map(Math.abs)) : Math.hypot(...row);

/** The shortest step in float64: lambda by bisection, to the last bit. */
function naiveStep(t: readonly number[], w: readonly number[], c: number, norm: Norm): number[] {
  const at = (lambda: number): number[] =>
    t.map((value, i) => {
      const way = -Math.sign(w[i] ?? NaN) * Math.sign(c);
      const room = way > 0 ? 1 - value : value;
      return way * Math.min(lambda * (norm === 'linf' ? 1 : Math.abs(w[i] ?? NaN)), room);
    });
  const moved = (lambda: number): number => Math.abs(at(lambda).reduce((sum, d, i) => sum + d * (w[i] ?? NaN), 0));
  let [low, high] = [0, 1e9];
  if (moved(high) <= Math.abs(c)) return at(high);
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (moved(middle) < Math.abs(c)) low = middle;
    else high = middle;
  }
  return at(high);
}

describe('stepToHyperplane', () => {
  it.each(NORMS.flatMap((norm) => [1, 2, 13, 784].map((d) => ({ norm, d }))))(
    'is the shortest by $norm, for points of $d elements',
    async ({ norm, d }) => {
      await device.scope(async () => {
        const m = 9;
        const t = uniformFloats(m * d, 1, 0, 1);
        const w = uniformFloats(m * d, 2, -1, 1);
        // An element without weight, elements on the edge, and a row without any normal.
        for (let row = 0; row < m; row++) {
          if (d > 1) w[row * d] = 0;
          t[row * d + d - 1] = row % 2;
        }
        w.fill(0, 0, d);
        // From near by to out of reach; and a point that is on the hyperplane.
        const reach = d / 4;
        const c = Float32Array.from([0.1, -0.01, 0.05, -0.2, 0.4, -0.7, 0, 10, -10].map((part) => part * reach));
        const of = (values: Float32Array, shape: number[]): Tensor => tensor(values, { device, shape });
        const steps = await stepToHyperplane(of(t, [m, d]), of(w, [m, d]), of(c, [m, 1]), { norm, ...RANGE }).floats();
        for (let row = 0; row < m; row++) {
          const [point, normal, step] = [t, w, steps].map((all) => [...all.subarray(row * d, (row + 1) * d)]);
          if (!point || !normal || !step) throw new Error('three rows');
          const expected = row === 0 ? point.map(() => 0) : naiveStep(point, normal, c[row] ?? NaN, norm);
          step.forEach((value, i) => {
            expect(value).toBeCloseTo(expected[i] ?? NaN, 4);
            expect((point[i] ?? NaN) + value).toBeGreaterThanOrEqual(-1e-6);
            expect((point[i] ?? NaN) + value).toBeLessThanOrEqual(1 + 1e-6);
          });
        }
      });
    },
  );

  it.each(NORMS)(
    'ends on the hyperplane whatever the weights: small ones, and one that outweighs all others, by %s',
    async (norm) => {
      for (const [d, scale, lone] of [
        [1, 1e-12, 1],
        [7, 1e-12, 1],
        [7, 1, 1e4],
        [784, 1, 1e4],
        [784, 1e-15, 1e2],
      ] as const) {
        await device.scope(async () => {
          const parts = [1e-4, 1e-3, 0.01, 0.1, 0.5, 0.99];
          const m = parts.length;
          const t = uniformFloats(m * d, 1, 0, 1);
          const w = uniformFloats(m * d, 2, -scale, scale);
          // The heavy element has hardly any room.
          for (let at = 0; d > 1 && at < m * d; at += d) [w[at], t[at]] = [scale * lone, 1e-6];
          const total = (row: number, of: (weight: number, i: number) => number): number =>
            w.subarray(row * d, (row + 1) * d).reduce((sum, weight, i) => sum + of(weight, row * d + i), 0);
          const room = (weight: number, i: number): number =>
            Math.abs(weight) * (weight > 0 ? (t[i] ?? NaN) : 1 - (t[i] ?? NaN));
          const c = Float32Array.from(parts, (part, row) => part * total(row, room));
          const of = (values: Float32Array<ArrayBuffer>, shape: number[]): Tensor => tensor(values, { device, shape });
          const steps = await stepToHyperplane(of(t, [m, d]), of(w, [m, d]), of(c, [m, 1]), {
            norm,
            ...RANGE,
          }).floats();
          c.forEach((offset, row) => {
            const moved = total(row, (weight, i) => weight * (steps[i] ?? NaN));
            expect(moved / offset).toBeCloseTo(-1, 4);
          });
        });
      }
    },
  );
});

const D = 12;

function network(): Sequential {
  const generator = new Generator(5);
  const linear = (inputs: number, outputs: number): Linear => new Linear(inputs, outputs, { device, generator });
  return new Sequential(linear(D, 24), new ReLU(), linear(24, 5));
}

const images = (m: number): Tensor => tensor(uniformFloats(D * m, 3, 0, 1), { device, shape: [m, D] });
const classesOf = (net: (x: Tensor) => Tensor, x: Tensor): Tensor => noGrad(device, () => argmax(net(x), 1));

describe('fabTargeted', () => {
  it.each(NORMS)(
    'finds the nearest point beyond the boundaries of a linear model within the range, by %s',
    async (norm) => {
      await device.scope(async () => {
        const [m, classes] = [12, 4];
        const values = uniformFloats(D * classes, 8, -1, 1);
        const weight = tensor(values, { device, shape: [D, classes] });
        const model = (batch: Tensor): Tensor => matmul(batch, weight);
        const x = images(m);
        const labels = classesOf(model, x);
        const found = await fabTargeted(model, x, labels, { norm, steps: 40 });
        const [points, truth, distances, ends] = [
          await x.floats(),
          await labels.data(),
          await found.distances.floats(),
          await classesOf(model, found.images).data(),
        ];
        for (let row = 0; row < m; row++) {
          const point = [...points.subarray(row * D, (row + 1) * D)];
          const own = truth[row] ?? 0;
          const nearest = [0, 1, 2, 3]
            .filter((k) => k !== own)
            .map((k) => {
              const w = point.map((_, i) => (values[i * classes + k] ?? NaN) - (values[i * classes + own] ?? NaN));
              const gap = w.reduce((sum, value, i) => sum + value * (point[i] ?? NaN), 0);
              const step = naiveStep(point, w, gap, norm);
              const reached = gap + w.reduce((sum, value, i) => sum + value * (step[i] ?? NaN), 0);
              return reached < -1e-9 ? Infinity : lengthOf(step, norm);
            });
          const best = Math.min(...nearest);
          expect(best).toBeGreaterThan(0);
          // Beyond the boundary, by at most the overshoot and what goes back of it.
          expect(distances[row]).toBeGreaterThanOrEqual(best * (1 - 1e-4));
          expect(distances[row]).toBeLessThanOrEqual(best * 1.05 + 1e-4);
          expect(ends[row]).not.toBe(own);
        }
      });
    },
  );

  it.each(NORMS)(
    'is nearer than deepfool, or as near, in the range, and what it says of the images is so, by %s',
    async (norm) => {
      await device.scope(async () => {
        const [net, m] = [network(), 32];
        const forward = (batch: Tensor): Tensor => net.forward(batch);
        const x = images(m);
        const labels = classesOf(forward, x);
        const found = await fabTargeted(net, x, labels, { norm, steps: 40 });
        const other = (await deepfool(net, x, labels, { variant: 'torchattacks' })).images;
        const [from, to, away] = [await x.floats(), await found.images.floats(), await other.floats()];
        const [distances, ends, truth] = [
          await found.distances.floats(),
          await classesOf(forward, found.images).data(),
          await labels.data(),
        ];
        const [mine, theirs]: [number[], number[]] = [[], []];
        for (let row = 0; row < m; row++) {
          const moved = (all: Float32Array): number[] =>
            Array.from({ length: D }, (_, i) => (all[row * D + i] ?? NaN) - (from[row * D + i] ?? NaN));
          if ((distances[row] ?? NaN) > 1e9) {
            expect(moved(to).every((value) => value === 0)).toBe(true);
            continue;
          }
          expect(lengthOf(moved(to), norm)).toBeCloseTo(distances[row] ?? NaN, 5);
          expect(ends[row]).not.toBe(truth[row]);
          mine.push(distances[row] ?? NaN);
          theirs.push(lengthOf(moved(away), norm));
        }
        expect(Math.min(...to)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...to)).toBeLessThanOrEqual(1);
        expect(mine.length).toBeGreaterThan(m / 2);
        const median = (all: number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1] ?? NaN;
        expect(median(mine)).toBeLessThanOrEqual(median(theirs));
      });
    },
  );

  it(
    'never gets worse with more iterations or classes, and gives a sample the same result in any batch',
    scoped(async () => {
      const net = network();
      const x = images(8);
      const labels = classesOf((batch) => net.forward(batch), x);
      const distancesOf = async (options: object, rows = 8): Promise<number[]> => {
        const some = slice(x, [{ end: rows }]);
        return [...(await (await fabTargeted(net, some, slice(labels, [{ end: rows }]), options)).distances.floats())];
      };
      const few = await distancesOf({ steps: 5, targets: 2 });
      const more = await distancesOf({ steps: 25, targets: 2 });
      more.forEach((value, i) => expect(value).toBeLessThanOrEqual((few[i] ?? NaN) + 1e-6));
      const [alone = NaN] = await distancesOf({ steps: 25, targets: 2 }, 1);
      expect(alone).toBeCloseTo(more[0] ?? NaN, 4);
    }),
  );

  it(
    'as an attack gives what is within its ball alone, leaves what is misclassified, stops at a signal and holds nothing',
    scoped(async () => {
      const net = network();
      const x = images(8);
      const right = classesOf((batch) => net.forward(batch), x);
      const labels = tensor(
        Int32Array.from(await right.data(), (label, i) => (i === 0 ? (label + 1) % 5 : label)),
        { device },
      );
      const { distances } = await fabTargeted(net, x, labels, { steps: 20 });
      const [zero, ...others] = await distances.floats();
      expect(zero).toBe(0);
      const eps = [...others].sort((a, b) => a - b)[3] ?? NaN;
      const attack = fabTargetedAttack({ eps, steps: 20 });
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
    const net = network();
    for (const [options, text] of [
      [{ norm: 'l1' as 'l2' }, /fabTargeted: norm is l1; expected linf or l2/],
      [{ steps: 0 }, /steps is 0; expected an integer from 1 up/],
      [{ targets: 1.5 }, /targets is 1.5/],
    ] as const) {
      await expect(fabTargeted(net, x, labels, options)).rejects.toThrow(text);
      expect(() => fabTargetedAttack({ eps: 0.1, ...options })).toThrow(text);
    }
    expect(() => fabTargetedAttack({ eps: 8 })).toThrow(ArgumentError);
    const single = (batch: Tensor): Tensor => slice(net.forward(batch), [null, { end: 1 }]);
    await expect(fabTargeted(single, x, labels)).rejects.toThrow(/has 1 classes; needs at least 2/);
    await expect(fabTargeted(net, x, tensor([0], { device, dtype: 'i32' }))).rejects.toThrow(ShapeError);
  });
});
