import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  apgd,
  apgdAttack,
  apgdCheckpoints,
  apgdTargeted,
  apgdTargetedAttack,
  dlrLoss,
  pgd,
  sampleCrossEntropy,
} from '../../adversarial/index.js';
import {
  ArgumentError,
  Generator,
  ShapeError,
  argmax,
  compile,
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
const D = 12;

function network(seed = 5): Sequential {
  const generator = new Generator(seed);
  const linear = (inputs: number, outputs: number): Linear => new Linear(inputs, outputs, { device, generator });
  return new Sequential(linear(D, 24), new ReLU(), linear(24, 5));
}

const images = (m: number): Tensor => tensor(uniformFloats(D * m, 3, 0, 1), { device, shape: [m, D] });
const classesOf = (net: Sequential, x: Tensor): Tensor => noGrad(device, () => argmax(net.eval().forward(x), 1));
const lossOf = async (net: Sequential, x: Tensor, labels: Tensor): Promise<number[]> => [
  ...(await noGrad(device, () => sampleCrossEntropy(net.forward(x), labels)).floats()),
];
const numbers = (...ids: number[]): Tensor => tensor(ids, { device, dtype: 'i32' });

describe('apgdCheckpoints', () => {
  it('are those of the published schedule', () => {
    expect(apgdCheckpoints(100)).toEqual([22, 41, 57, 70, 80, 87, 93, 99]);
    expect(apgdCheckpoints(20)).toEqual([4, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(apgdCheckpoints(1)).toEqual([1]);
    expect(() => apgdCheckpoints(0)).toThrow(ArgumentError);
  });
});

describe('apgd', () => {
  it.each(['linf', 'l2'] as const)(
    'stays in the %s ball and the range, and raises the loss above that of pgd on average',
    async (norm) => {
      await device.scope(async () => {
        const [net, m] = [network(), 64];
        const x = images(m);
        const labels = classesOf(net, x);
        const eps = norm === 'linf' ? 0.06 : 0.2;
        const found = apgd(net, x, labels, { norm, eps, steps: 30, generator: new Generator(1) });
        const [from, to] = [await x.floats(), await found.images.floats()];
        for (let row = 0; row < m; row++) {
          const moved = Array.from({ length: D }, (_, i) => (to[row * D + i] ?? NaN) - (from[row * D + i] ?? NaN));
          const length = norm === 'linf' ? Math.max(...moved.map(Math.abs)) : Math.hypot(...moved);
          expect(length).toBeLessThanOrEqual(eps + 1e-6);
        }
        expect(Math.min(...to)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...to)).toBeLessThanOrEqual(1);
        const best = await lossOf(net, found.best, labels);
        (await found.bestLoss.floats()).forEach((value, i) => expect(best[i]).toBeCloseTo(value, 5));
        const plain = pgd(net, x, labels, { norm, eps, stepSize: eps / 10, steps: 30, generator: new Generator(1) });
        const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
        expect(sum(best)).toBeGreaterThan(sum(await lossOf(net, plain, labels)) - 1e-3 * m);
        // What it says of each sample is so.
        const wrong = await classesOf(net, found.images).data();
        const right = await labels.data();
        (await found.robust.data()).forEach((robust, i) => expect(robust).toBe(wrong[i] === right[i] ? 1 : 0));
      });
    },
  );

  it(
    'finds the corner of the ball that a linear model has its largest loss at',
    scoped(async () => {
      const [m, eps] = [9, 0.1];
      const w = uniformFloats(D, 4, -1, 1);
      const weight = tensor(Float32Array.from(w.length * 2 ? [...w].flatMap((v) => [v, -v]) : []), {
        device,
        shape: [D, 2],
      });
      const x = images(m);
      const found = apgd((batch) => matmul(batch, weight), x, numbers(...new Array<number>(m).fill(0)), {
        eps,
        steps: 10,
      });
      const [from, to] = [await x.floats(), await found.best.floats()];
      to.forEach((value, i) => {
        const corner = (from[i] ?? NaN) - eps * Math.sign(w[i % D] ?? NaN);
        expect(value).toBeCloseTo(Math.min(1, Math.max(0, corner)), 5);
      });
    }),
  );

  it(
    'gives a sample the same result in any batch, and the same within a captured function',
    scoped(async () => {
      const net = network();
      const x = images(5);
      const labels = classesOf(net, x);
      const options = { eps: 0.05, steps: 12, loss: 'dlr' } as const;
      const generator = (): Generator => new Generator(7, { purpose: 'start' });
      const all = await apgd(net, x, labels, {
        ...options,
        generator: generator(),
        samples: numbers(4, 9, 2, 0, 7),
      }).best.floats();
      const row = { start: 2, end: 3 };
      const alone = apgd(net, slice(x, [row]), slice(labels, [row]), {
        ...options,
        generator: generator(),
        samples: numbers(2),
      });
      (await alone.best.floats()).forEach((value, i) => expect(value).toBeCloseTo(all[2 * D + i] ?? NaN, 5));
      const captured = compile(
        (a: Tensor, b: Tensor) =>
          apgd(net, a, b, { ...options, generator: generator(), samples: numbers(4, 9, 2, 0, 7) }).best,
        { fuse: false },
      );
      const inside = await captured(x, labels).floats();
      inside.forEach((value, i) => expect(value).toBeCloseTo(all[i] ?? NaN, 5));
      captured.dispose();
    }),
  );

  it(
    'averages the gradient over the passes of a random model',
    scoped(() => {
      // The model's sign is drawn anew at each pass: a single pass is as often wrong as right.
      const signs = new Generator(3);
      const weight = tensor(uniformFloats(2 * D, 4, -1, 1), { device, shape: [D, 2] });
      let passes = 0;
      const model = (batch: Tensor): Tensor => {
        passes++;
        return matmul(batch, weight).add(signs.normal(1)[0] ?? 0);
      };
      apgd(model, images(3), numbers(0, 0, 0), { eps: 0.1, steps: 1, passes: 4 });
      // Four for the start, and four for the iteration.
      expect(passes).toBe(8);
      return Promise.resolve();
    }),
  );

  it('refuses what makes no sense', () => {
    const x = images(2);
    const labels = numbers(0, 0);
    const net = network();
    const two = (batch: Tensor): Tensor => slice(net.forward(batch), [null, { end: 2 }]);
    for (const [options, text] of [
      [{ eps: 8 }, /apgd: eps is 8, more than the range/],
      [{ eps: 0.1, steps: 0 }, /apgd: steps is 0; expected an integer from 1 up/],
      [{ eps: 0.1, rho: 2 }, /apgd: rho is 2/],
      [{ eps: 0.1, passes: 0.5 }, /apgd: passes is 0.5/],
      [{ eps: 0.1, norm: 'l1' as 'l2' }, /apgd: norm is l1; expected linf or l2/],
      [{ eps: 0.1, loss: 'mse' as 'ce' }, /apgd: unknown loss 'mse'/],
    ] as const) {
      expect(() => apgd(net, x, labels, options)).toThrow(text);
      expect(() => apgdAttack(options)).toThrow(text);
    }
    expect(() => apgd(two, x, labels, { eps: 0.1, loss: 'dlr' })).toThrow(
      /dlrLoss: the model has 2 classes; needs at least 3/,
    );
    expect(() => apgdTargeted(two, x, labels, { eps: 0.1 })).toThrow(/needs at least 4/);
    expect(() => apgdTargetedAttack({ eps: 0.1, targets: 0 })).toThrow(/targets is 0/);
    expect(() => apgd(net, x, labels, { eps: 0.1, loss: (logits) => logits })).toThrow(/one value for each sample/);
    expect(() => apgd(net, x, labels, { eps: 0.1, start: images(3) })).toThrow(ShapeError);
  });

  it(
    'holds nothing once its result is freed',
    scoped(async () => {
      const net = network();
      const x = images(4);
      const labels = classesOf(net, x);
      const run = async (): Promise<void> => {
        const attacks = [
          apgdAttack({ eps: 0.05, steps: 9, loss: dlrLoss }),
          apgdTargetedAttack({ eps: 0.05, steps: 5 }),
        ];
        for (const attack of attacks) {
          (await attack.run(net, x, labels, { generator: new Generator(1) })).dispose();
        }
      };
      await run();
      const before = device.memory().live;
      for (let time = 0; time < 3; time++) await run();
      expect(device.memory().live).toBe(before);
    }),
  );
});

describe('apgdTargeted', () => {
  it(
    'aims at each class in turn, and fools at least the samples that one of them would',
    scoped(async () => {
      const [net, m] = [network(), 48];
      const x = images(m);
      const labels = classesOf(net, x);
      const options = { eps: 0.15, steps: 15 };
      const random = { generator: new Generator(2), samples: numbers(...Array.from({ length: m }, (_, i) => i)) };
      const [all, one] = [4, 1].map((targets) =>
        apgdTargeted(net, x, labels, { ...options, ...random, generator: new Generator(2), targets }),
      );
      if (!all || !one) throw new Error('two results');
      const [robust, alone] = [await all.robust.data(), await one.robust.data()];
      robust.forEach((left, i) => expect(left).toBeLessThanOrEqual(alone[i] ?? NaN));
      expect([...robust].filter(Boolean).length).toBeLessThan(m);
      const [ends, right] = [await classesOf(net, all.images).data(), await labels.data()];
      robust.forEach((left, i) => expect(ends[i] === right[i]).toBe(left === 1));
    }),
  );
});
