import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deepfool, deepfoolAttack } from '../../adversarial/index.js';
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
import { Dropout, Linear, ReLU, Sequential } from '../../nn/index.js';
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
const VARIANTS = ['original', 'torchattacks'] as const;

function network(): Sequential {
  const generator = new Generator(5);
  const linear = (inputs: number, outputs: number): Linear => new Linear(inputs, outputs, { device, generator });
  return new Sequential(linear(12, 16), new ReLU(), new Dropout(0.5, { generator: new Generator(6) }), linear(16, 5));
}

function images(m: number): Tensor {
  return tensor(uniformFloats(12 * m, 3, 0.2, 0.8), { device, shape: [m, 12] });
}

const classesOf = (net: Sequential, x: Tensor): Tensor => noGrad(device, () => argmax(net.eval().forward(x), 1));

describe('deepfool', () => {
  it(
    'crosses the nearest boundary of a linear model in one step, by its closed form',
    scoped(async () => {
      const [m, d, classes] = [6, 7, 4];
      const values = uniformFloats(d * classes, 8, -1, 1);
      const weight = tensor(values, { device, shape: [d, classes] });
      const x = tensor(uniformFloats(m * d, 9, 0, 1), { device, shape: [m, d] });
      const model = (batch: Tensor): Tensor => matmul(batch, weight);
      const labels = noGrad(device, () => argmax(model(x), 1));
      const { images: moved, iterations, labels: ends } = await deepfool(model, x, labels);
      const [from, to, own] = [await x.floats(), await moved.floats(), await labels.data()];
      for (let row = 0; row < m; row++) {
        const at = Array.from(from.subarray(row * d, (row + 1) * d));
        const column = (k: number): number[] => at.map((_, i) => values[i * classes + k] ?? NaN);
        const ways = [0, 1, 2, 3]
          .filter((k) => k !== own[row])
          .map((k) => {
            const w = column(k).map((value, i) => value - (column(own[row] ?? 0)[i] ?? NaN));
            const f = w.reduce((s, value, i) => s + value * (at[i] ?? NaN), 0);
            const length = Math.hypot(...w);
            return { w, length, distance: Math.abs(f) / length, k };
          });
        const nearest = ways.reduce((best, each) => (each.distance < best.distance ? each : best));
        expect((await ends.data())[row]).toBe(nearest.k);
        at.forEach((value, i) => {
          const step = (1.02 * (nearest.distance + 1e-4) * (nearest.w[i] ?? NaN)) / nearest.length;
          expect(to[row * d + i]).toBeCloseTo(value + step, 5);
        });
      }
      expect(Array.from(await iterations.data())).toEqual(Array.from({ length: m }, () => 1));
    }),
  );

  it.each(VARIANTS)('%s: changes the class of every sample, nearby, and says how', async (variant) => {
    await device.scope(async () => {
      const [net, x] = [network(), images(17)];
      const before = classesOf(net, x);
      // At the edges of a narrow range the variant of torchattacks may come to rest before a boundary.
      const result = await deepfool(net, x, before, { variant, clipMin: -9, clipMax: 9 });
      const [first, last] = [await before.data(), await result.labels.data()];
      expect(Array.from(await classesOf(net, result.images).data())).toEqual(Array.from(last));
      last.forEach((label, row) => expect(label).not.toBe(first[row]));
      const iterations = Array.from(await result.iterations.data());
      expect(Math.min(...iterations)).toBeGreaterThanOrEqual(1);
      expect(Math.max(...iterations)).toBeLessThan(50);
      net.dispose();
    });
  });

  it.each(VARIANTS)('%s: gives a sample the same image alone and among others that take longer', async (variant) => {
    await device.scope(async () => {
      const [net, x] = [network(), images(9)];
      const labels = classesOf(net, x);
      const whole = await deepfool(net, x, labels, { variant });
      const [values, steps] = [await whole.images.floats(), await whole.iterations.data()];
      expect(new Set(steps).size, 'samples that take one step and others').toBeGreaterThan(1);
      for (let row = 0; row < 9; row++) {
        const [image, label] = [x, labels].map((each) => slice(each, [{ start: row, end: row + 1 }])) as [
          Tensor,
          Tensor,
        ];
        const alone = await deepfool(net, image, label, { variant });
        expect((await alone.iterations.data())[0]).toBe(steps[row]);
        (await alone.images.floats()).forEach((value, i) => expect(value).toBeCloseTo(values[row * 12 + i] ?? NaN, 5));
      }
      net.dispose();
    });
  });

  it(
    'by torchattacks leaves a misclassified sample alone, and keeps to the range',
    scoped(async () => {
      const [net, x] = [network(), images(8)];
      const right = await classesOf(net, x).data();
      const labels = tensor(
        Int32Array.from(right, (label, row) => (row % 2 === 0 ? label : (label + 1) % 5)),
        { device },
      );
      const options = { variant: 'torchattacks', clipMin: 0.2, clipMax: 0.8 } as const;
      const result = await deepfool(net, x, labels, options);
      const [values, natural] = [await result.images.floats(), await x.floats()];
      const iterations = await result.iterations.data();
      iterations.forEach((count, row) => expect(count > 0).toBe(row % 2 === 0));
      for (let row = 1; row < 8; row += 2) {
        expect(values.subarray(row * 12, row * 12 + 12)).toEqual(natural.subarray(row * 12, row * 12 + 12));
      }
      expect(Math.min(...values)).toBeGreaterThanOrEqual(Math.fround(0.2));
      expect(Math.max(...values)).toBeLessThanOrEqual(Math.fround(0.8));
      net.dispose();
    }),
  );

  it(
    'stops after the iterations that it may take, also where there is no gradient',
    scoped(async () => {
      const x = images(3);
      const flat = (batch: Tensor): Tensor => matmul(batch, tensor(new Float32Array(48), { device, shape: [12, 4] }));
      const labels = tensor([0, 0, 0], { device, dtype: 'i32' });
      const result = await deepfool(flat, x, labels, { maxIterations: 4 });
      expect(Array.from(await result.iterations.data())).toEqual([4, 4, 4]);
      expect(await result.images.floats()).toEqual(await x.floats());
    }),
  );

  it(
    'leaves modes, parameters and memory as they were, also after an exception',
    scoped(async () => {
      const [net, x] = [network(), images(4)];
      const labels = classesOf(net, x);
      net.train();
      const run = async (): Promise<void> => {
        const result = await deepfool(net, x, labels);
        for (const each of [result.images, result.iterations, result.labels]) each.dispose();
      };
      await run();
      const before = device.memory();
      await run();
      expect(device.memory()).toEqual(before);
      expect(net.modules().every(({ training }) => training)).toBe(true);
      let calls = 0;
      const broken = (batch: Tensor): Tensor => {
        if (++calls > 1) throw new RangeError('broken');
        return net.forward(batch);
      };
      await expect(deepfool(broken, x, labels)).rejects.toThrow('broken');
      expect(device.memory()).toEqual(before);
      net.dispose();
    }),
  );

  it(
    'refuses bad input by name',
    scoped(async () => {
      const [net, x] = [network(), images(2)];
      const labels = tensor([0, 1], { device, dtype: 'i32' });
      const refused = (options: object): Promise<unknown> => deepfool(net, x, labels, options);
      await expect(refused({ overshoot: -1 })).rejects.toThrow(/overshoot is -1/);
      await expect(refused({ maxIterations: 0 })).rejects.toThrow(/maxIterations is 0/);
      await expect(refused({ candidates: 1 })).rejects.toThrow(/candidates is 1/);
      await expect(refused({ variant: 'foolbox' })).rejects.toThrow(ArgumentError);
      const one = (batch: Tensor): Tensor => slice(net.forward(batch), [null, { end: 1 }]);
      await expect(deepfool(one, x, labels)).rejects.toThrow(/gives \[2, 1\]; needs \[m, C\], C at least 2/);
      const few = tensor([0], { device, dtype: 'i32' });
      await expect(deepfool(net, x, few)).rejects.toThrow(ShapeError);
      net.dispose();
    }),
  );

  it(
    'as an attack stays in the range, stops at a signal and holds nothing',
    scoped(async () => {
      const net = network();
      const x = images(9);
      const labels = classesOf(net, x);
      for (const variant of VARIANTS) {
        const attack = deepfoolAttack({ variant, maxIterations: 20 });
        expect(attack.settings).toMatchObject({ attack: 'deepfool', variant });
        const run = async (): Promise<Float32Array> => {
          const found = await attack.run(net, x, labels, { generator: new Generator(1) });
          const values = await found.floats();
          found.dispose();
          return values;
        };
        const values = await run();
        const before = device.memory().live;
        expect(await run()).toEqual(values);
        expect(device.memory().live).toBe(before);
        expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...values)).toBeLessThanOrEqual(1);
        const whole = (await deepfool(net, x, labels, { variant, maxIterations: 20 })).images;
        (await whole.floats()).forEach((value, i) => expect(values[i]).toBe(Math.min(1, Math.max(0, value))));
        const signal = AbortSignal.abort(new Error('enough'));
        await expect(attack.run(net, x, labels, { generator: new Generator(1), signal })).rejects.toThrow('enough');
      }
    }),
  );
});
