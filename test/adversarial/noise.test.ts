import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { marginLoss, noiseAttack, randomNoise } from '../../adversarial/index.js';
import {
  Generator,
  ShapeError,
  argmax,
  noGrad,
  rand,
  randn,
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
const NORMS = ['linf', 'l2'] as const;
const FEATURES = 37;

function network(): Sequential {
  const generator = new Generator(5);
  const linear = (inputs: number, outputs: number): Linear => new Linear(inputs, outputs, { device, generator });
  return new Sequential(linear(FEATURES, 16), new ReLU(), new Dropout(0.5), linear(16, 4));
}

function batch(m: number, [low, high] = [0, 1]): [Tensor, Tensor] {
  const labels = Int32Array.from({ length: m }, (_, i) => i % 4);
  return [
    tensor(uniformFloats(FEATURES * m, 3, low, high), { device, shape: [m, FEATURES] }),
    tensor(labels, { device }),
  ];
}

/** A model that nobody should ask. */
const never = (): Tensor => {
  throw new RangeError('the model was asked');
};

describe('randomNoise', () => {
  it(
    'fills an Linf ball evenly, in directions of L2 evenly at its edge, without a look at the model',
    scoped(async () => {
      const [m, eps] = [200, 0.1];
      const [x, y] = batch(m, [0.4, 0.6]);
      const from = await x.floats();
      for (const norm of NORMS) {
        const values = await randomNoise(never, x, y, { norm, eps, generator: new Generator(1) }).floats();
        const d = values.map((value, i) => value - (from[i] ?? NaN));
        const mean = d.reduce((sum, v) => sum + v, 0) / d.length;
        const square = d.reduce((sum, v) => sum + v * v, 0) / d.length;
        if (norm === 'linf') {
          expect(Math.max(...d.map(Math.abs))).toBeLessThanOrEqual(eps * (1 + 1e-6));
          // Of a uniform distribution: eps^2 / 3, and a fifth of the fifth power for the fourth moment.
          expect(square / (eps ** 2 / 3)).toBeCloseTo(1, 1);
          expect(d.reduce((sum, v) => sum + v ** 4, 0) / d.length / (eps ** 4 / 5)).toBeCloseTo(1, 1);
        } else {
          for (let row = 0; row < m; row++) {
            expect(Math.hypot(...d.subarray(row * FEATURES, (row + 1) * FEATURES))).toBeCloseTo(eps, 5);
          }
        }
        expect(Math.abs(mean)).toBeLessThan((4 * Math.sqrt(square)) / Math.sqrt(d.length));
      }
    }),
  );

  it.each(NORMS)('%s: stays in ball and range at their edges', async (norm) => {
    await device.scope(async () => {
      const [net, [x, y]] = [network(), batch(12)];
      const values = await randomNoise(net, x, y, { norm, eps: 0.4, repeats: 3, generator: new Generator(1) }).floats();
      expect(Math.min(...values)).toBe(0);
      expect(Math.max(...values)).toBe(1);
      const from = await x.floats();
      for (let row = 0; row < 12; row++) {
        const d = Array.from({ length: FEATURES }, (_, i) => {
          return Math.abs((values[row * FEATURES + i] ?? NaN) - (from[row * FEATURES + i] ?? NaN));
        });
        expect(norm === 'linf' ? Math.max(...d) : Math.hypot(...d)).toBeLessThanOrEqual(0.4 * (1 + 1e-6));
      }
      net.dispose();
    });
  });

  it.each(NORMS)('%s: keeps the worst of several draws', async (norm) => {
    await device.scope(async () => {
      const [m, repeats] = [16, 5];
      const [net, [x]] = [network(), batch(m)];
      const labels = noGrad(device, () => argmax(net.eval().forward(x), 1));
      net.train();
      const eps = norm === 'linf' ? 0.3 : 1;
      const samples = tensor(
        Int32Array.from({ length: m }, (_, row) => 3 * row),
        { device },
      );
      const options = { norm, eps, repeats, samples };
      const worst = await randomNoise(net, x, labels, { ...options, generator: new Generator(2) }).floats();
      expect(net.modules().every(({ training }) => training)).toBe(true);
      net.eval();

      const draw = { device, rows: samples, generator: new Generator(2) };
      const shape = [m, repeats * FEATURES];
      const numbers = await (norm === 'linf' ? rand(shape, { ...draw, bound: eps }) : randn(shape, draw)).floats();
      const [from, own] = [await x.floats(), await labels.data()];
      const versions: { values: Float32Array; given: ArrayLike<number>; margins: Float32Array }[] = [];
      for (let k = 0; k < repeats; k++) {
        const values = from.map((value, at) => {
          const [row, i] = [Math.floor(at / FEATURES), at % FEATURES];
          const start = (row * repeats + k) * FEATURES;
          const drawn = numbers.subarray(start, start + FEATURES);
          const u = norm === 'linf' ? (drawn[i] ?? NaN) : (eps * (drawn[i] ?? NaN)) / Math.hypot(...drawn);
          return Math.min(Math.max(value + u, 0), 1);
        });
        const logits = noGrad(device, () => net.forward(tensor(values, { device, shape: x.shape })));
        const [given, margins] = [await argmax(logits, 1).data(), await marginLoss(logits, labels).floats()];
        versions.push({ values, given, margins });
      }
      const chosen = new Set<number>();
      for (let row = 0; row < m; row++) {
        const wrong = (k: number): boolean => versions[k]?.given[row] !== own[row];
        const margin = (k: number): number => versions[k]?.margins[row] ?? NaN;
        const expected = [1, 2, 3, 4].reduce((best, k) => {
          if (wrong(k) !== wrong(best)) return wrong(k) ? k : best;
          return margin(k) > margin(best) ? k : best;
        }, 0);
        chosen.add(expected);
        for (let i = row * FEATURES; i < (row + 1) * FEATURES; i++) {
          expect(worst[i]).toBeCloseTo(versions[expected]?.values[i] ?? NaN, 6);
        }
      }
      expect(chosen.size).toBeGreaterThan(3);
      net.dispose();
    });
  });

  it.each(NORMS)('%s: gives a sample the same noise in whatever batch it is', async (norm) => {
    await device.scope(async () => {
      const [net, [x, y]] = [network().eval(), batch(6)];
      const samples = tensor([5, 1, 9, 0, 30, 7], { device, dtype: 'i32' });
      const options = { norm, eps: 0.2, repeats: 3 };
      const whole = await randomNoise(net, x, y, { ...options, samples, generator: new Generator(3) }).floats();
      for (const [start, end] of [
        [0, 1],
        [2, 6],
      ] as const) {
        const [image, label, numbers] = [x, y, samples].map((each) => slice(each, [{ start, end }])) as [
          Tensor,
          Tensor,
          Tensor,
        ];
        const part = randomNoise(net, image, label, { ...options, samples: numbers, generator: new Generator(3) });
        expect(await part.floats()).toEqual(whole.subarray(start * FEATURES, end * FEATURES));
      }
      const other = await randomNoise(net, x, y, { ...options, samples, generator: new Generator(4) }).floats();
      expect(other).not.toEqual(whole);
      net.dispose();
    });
  });

  it(
    'is an attack with settings, and refuses bad ones',
    scoped(async () => {
      const [x, y] = batch(2);
      expect(noiseAttack({ eps: 0.1 }).settings).toEqual({ attack: 'noise', norm: 'linf', eps: 0.1, repeats: 1 });
      const images = noiseAttack({ eps: 0 }).run(never, x, y, { generator: new Generator(1) });
      expect(await images.floats()).toEqual(await x.floats());
      expect(() => noiseAttack({ eps: 8 })).toThrow(/eps is 8.*8 \/ 255/);
      expect(() => noiseAttack({ eps: 0.1, repeats: 0 })).toThrow(/repeats is 0; expected an integer from 1 up/);
      const options = { eps: 0.1, norm: 'l1' };
      expect(() => noiseAttack(options as { eps: number; norm: 'l2' })).toThrow(/norm is l1; expected linf or l2/);
      expect(() => randomNoise(never, x, batch(3)[1], { eps: 0.1 })).toThrow(ShapeError);
    }),
  );
});
