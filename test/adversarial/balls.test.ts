import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bim,
  cwLinf,
  ffgsm,
  klPgd,
  l1Projection,
  l2Projection,
  marginLoss,
  pgd,
  rfgsm,
  sampleCrossEntropy,
  type AttackLoss,
  type Norm,
} from '../../adversarial/index.js';
import { Generator, argmax, concat, noGrad, slice, tensor, type Device, type Tensor } from '../../engine/index.js';
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

const FEATURES = 37;

function network(seed = 5): Sequential {
  const generator = new Generator(seed);
  const linear = (inputs: number, outputs: number): Linear => new Linear(inputs, outputs, { device, generator });
  return new Sequential(linear(FEATURES, 16), new ReLU(), linear(16, 4));
}

function batch(m: number): [Tensor, Tensor] {
  return [
    tensor(uniformFloats(FEATURES * m, 3, 0, 1), { device, shape: [m, FEATURES] }),
    tensor(
      Int32Array.from({ length: m }, (_, i) => i % 4),
      { device },
    ),
  ];
}

/** The norm of each row, in float64. */
function lengths(norm: Norm, a: Float32Array, b: Float32Array, m: number): number[] {
  return Array.from({ length: m }, (_, row) => {
    const d = Array.from({ length: a.length / m }, (__, i) => {
      const at = (row * a.length) / m + i;
      return Math.abs((a[at] ?? NaN) - (b[at] ?? NaN));
    });
    if (norm === 'linf') return Math.max(...d);
    return norm === 'l1' ? d.reduce((s, v) => s + v, 0) : Math.sqrt(d.reduce((s, v) => s + v * v, 0));
  });
}

/** The nearest point of an L1 ball by bisection of theta, in float64: nothing of the sorted formula. */
function l1Reference(row: number[], eps: number): number[] {
  const norm = (theta: number): number => row.reduce((s, v) => s + Math.max(Math.abs(v) - theta, 0), 0);
  if (norm(0) <= eps) return row;
  let [low, high] = [0, Math.max(...row.map(Math.abs))];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (norm(middle) > eps) low = middle;
    else high = middle;
  }
  return row.map((v) => Math.sign(v) * Math.max(Math.abs(v) - high, 0));
}

describe('projections', () => {
  it.each([
    [1, 1],
    [3, 5],
    [2, 37],
    [4, 784],
  ])('of %i rows of %i numbers are the nearest points of the ball', async (m, d) => {
    await device.scope(async () => {
      const values = uniformFloats(m * d, 11, -1, 1);
      const rows = tensor(values, { device, shape: [m, d] });
      for (const eps of [0, 0.1, 0.9, 1000]) {
        const [l1, l2] = [await l1Projection(rows, eps).floats(), await l2Projection(rows, eps).floats()];
        for (let row = 0; row < m; row++) {
          const original = Array.from(values.subarray(row * d, (row + 1) * d));
          const expectedL1 = l1Reference(original, eps);
          const length = Math.hypot(...original);
          original.forEach((value, i) => {
            expect(l1[row * d + i]).toBeCloseTo(expectedL1[i] ?? NaN, 5);
            expect(l2[row * d + i]).toBeCloseTo(length > eps ? (value * eps) / length : value, 5);
          });
        }
      }
    });
  });
});

describe.each([
  ['linf', 0.1, 0.02],
  ['l2', 0.5, 0.1],
  ['l1', 2, 0.5],
] as const)('pgd within an %s ball', (norm, eps, stepSize) => {
  const options = { norm, eps, stepSize, steps: 10 };

  it(
    'stays in the ball and the range, and raises the loss of every start',
    scoped(async () => {
      const [net, [x, y]] = [network(), batch(9)];
      const before = await sampleCrossEntropy(net.forward(x), y).floats();
      for (const start of ['none', 'uniform'] as const) {
        const image = pgd(net, x, y, { ...options, start, generator: new Generator(1) });
        const [values, natural] = [await image.floats(), await x.floats()];
        expect(Math.max(...lengths(norm, values, natural, 9))).toBeLessThanOrEqual(eps * (1 + 1e-6));
        expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...values)).toBeLessThanOrEqual(1);
        const after = await sampleCrossEntropy(net.forward(image), y).floats();
        after.forEach((loss, row) => expect(loss).toBeGreaterThan(before[row] ?? NaN));
      }
      net.dispose();
    }),
  );

  it(
    'gives a sample the same image in whatever batch it is, and other images of other generators',
    scoped(async () => {
      const [net, [x, y]] = [network(), batch(6)];
      const attack = (images: Tensor, labels: Tensor, generator: Generator): Tensor =>
        pgd(net, images, labels, { ...options, generator });
      const whole = await attack(x, y, new Generator(7)).floats();
      const generator = new Generator(7);
      const parts: number[] = [];
      for (const [start, end] of [
        [0, 1],
        [1, 4],
        [4, 6],
      ] as const) {
        const image = attack(slice(x, [{ start, end }]), slice(y, [{ start, end }]), generator);
        parts.push(...(await image.floats()));
      }
      const difference = Math.max(...parts.map((value, i) => Math.abs(value - (whole[i] ?? NaN))));
      expect(difference).toBeLessThan(1e-5);
      const other = await attack(x, y, new Generator(8)).floats();
      expect(other).not.toEqual(whole);
      net.dispose();
    }),
  );

  it(
    'is no weaker with restarts, and stronger for some',
    scoped(async () => {
      const [net, [x, y]] = [network(), batch(12)];
      const weak = { ...options, steps: 2, loss: marginLoss };
      let gained = 0;
      for (let row = 0; row < 12; row++) {
        const [image, label] = [x, y].map((each) => slice(each, [{ start: row, end: row + 1 }])) as [Tensor, Tensor];
        // Alone, a sample has the same first start with and without restarts.
        const margin = async (restarts: number): Promise<number> => {
          const end = pgd(net, image, label, { ...weak, restarts, generator: new Generator(3) });
          return marginLoss(net.forward(end), label).item();
        };
        const [once, often] = [await margin(1), await margin(4)];
        expect(often).toBeGreaterThanOrEqual(once);
        if (often > once) gained++;
      }
      expect(gained).toBeGreaterThan(0);
      net.dispose();
    }),
  );

  it(
    'gives a sample the same restarts in whatever batch it is',
    scoped(async () => {
      const [net, [x, y]] = [network(), batch(5)];
      const often = { ...options, steps: 2, restarts: 3 };
      const whole = await pgd(net, x, y, { ...often, generator: new Generator(7) }).floats();
      const generator = new Generator(7);
      const parts: number[] = [];
      for (const [start, end] of [
        [0, 2],
        [2, 5],
      ] as const) {
        const [images, labels] = [slice(x, [{ start, end }]), slice(y, [{ start, end }])];
        parts.push(...(await pgd(net, images, labels, { ...often, generator }).floats()));
      }
      expect(Math.max(...parts.map((value, i) => Math.abs(value - (whole[i] ?? NaN))))).toBeLessThan(1e-5);
      net.dispose();
    }),
  );
});

describe('restarts', () => {
  it(
    'prefer a misclassified end to one of higher loss',
    scoped(async () => {
      const [net, [x, y]] = [network(), batch(24)];
      // Lower where the sample is misclassified: the loss alone would choose the others.
      const perverse: AttackLoss = (logits, labels) => marginLoss(logits, labels).relu().neg();
      const weak = { eps: 0.2, stepSize: 0.01, steps: 1, loss: perverse };
      const wrong = async (image: Tensor): Promise<boolean[]> => {
        const classes = await noGrad(device, () => argmax(net.forward(image), 1)).data();
        const labels = await y.data();
        return Array.from(classes, (value, row) => value !== labels[row]);
      };
      const attack = (restarts: number): Tensor => {
        const generator = new Generator(5);
        const ends = Array.from({ length: 24 }, (_, row) => {
          const [image, label] = [x, y].map((each) => slice(each, [{ start: row, end: row + 1 }])) as [Tensor, Tensor];
          return pgd(net, image, label, { ...weak, restarts, generator });
        });
        return concat(ends);
      };
      const [once, often] = [await wrong(attack(1)), await wrong(attack(16))];
      expect(often.filter(Boolean).length).toBeGreaterThan(once.filter(Boolean).length);
      expect(often).toContain(false);
      net.dispose();
    }),
  );

  it(
    'need a loss for each sample',
    scoped(() => {
      const [net, [x, y]] = [network(), batch(3)];
      const loss: AttackLoss = (logits, labels) => sampleCrossEntropy(logits, labels).sum();
      const options = { eps: 0.1, stepSize: 0.1, steps: 1, restarts: 2, loss };
      expect(() => pgd(net, x, y, options)).toThrow(/restarts need one value for each sample, \[3\]/);
      net.dispose();
      return Promise.resolve();
    }),
  );
});

describe('kinds of pgd', () => {
  it(
    'stay in ball and range with the defaults, and draw their starts sample by sample',
    scoped(async () => {
      const [net, [x, y]] = [network(), batch(8)];
      const natural = await x.floats();
      const eps = 0.07;
      const attacks: Record<string, (images: Tensor, labels: Tensor, generator: Generator) => Tensor> = {
        bim: (images, labels) => bim(net, images, labels, { eps }),
        cwLinf: (images, labels, generator) => cwLinf(net, images, labels, { eps, generator }),
        ffgsm: (images, labels, generator) => ffgsm(net, images, labels, { eps, generator }),
        klPgd: (images, labels, generator) =>
          klPgd(net, images, labels, { eps, stepSize: eps / 4, steps: 6, generator }),
        rfgsm: (images, labels, generator) => rfgsm(net, images, labels, { eps, generator }),
        'rfgsm, torchattacks': (images, labels, generator) =>
          rfgsm(net, images, labels, { eps, definition: 'torchattacks', generator }),
      };
      for (const [name, attack] of Object.entries(attacks)) {
        const values = await attack(x, y, new Generator(2)).floats();
        const furthest = Math.max(...lengths('linf', values, natural, 8));
        expect(furthest, name).toBeLessThanOrEqual(eps * (1 + 1e-6));
        expect(furthest, name).toBeGreaterThan(eps / 2);
        expect(Math.min(...values), name).toBeGreaterThanOrEqual(0);
        expect(Math.max(...values), name).toBeLessThanOrEqual(1);
        const generator = new Generator(2);
        const parts = [];
        for (const [start, end] of [
          [0, 3],
          [3, 8],
        ] as const) {
          const image = attack(slice(x, [{ start, end }]), slice(y, [{ start, end }]), generator);
          parts.push(...(await image.floats()));
        }
        const difference = Math.max(...parts.map((value, i) => Math.abs(value - (values[i] ?? NaN))));
        expect(difference, name).toBeLessThan(1e-5);
      }
      net.dispose();
    }),
  );

  it(
    'leave the images alone in a ball without extent',
    scoped(async () => {
      const [net, [x, y]] = [network(), batch(3)];
      const eps = 0;
      const natural = await x.floats();
      for (const image of [
        bim(net, x, y, { eps }),
        cwLinf(net, x, y, { eps, steps: 4 }),
        ffgsm(net, x, y, { eps }),
        rfgsm(net, x, y, { eps }),
        pgd(net, x, y, { norm: 'l2', eps, stepSize: 1, steps: 4 }),
        pgd(net, x, y, { norm: 'l1', eps, stepSize: 1, steps: 4 }),
      ]) {
        expect(await image.floats()).toEqual(natural);
      }
      net.dispose();
    }),
  );

  it('refuse what makes no sense', () => {
    device.scope(() => {
      const [net, [x, y]] = [network(), batch(2)];
      expect(() => rfgsm(net, x, y, { eps: 0.1, stepSize: 0.2 })).toThrow(
        /rfgsm: stepSize is 0.2; expected a part of eps/,
      );
      expect(() => cwLinf(net, x, y, { eps: 0.1, kappa: -1 })).toThrow(/kappa is -1/);
      expect(() => bim(net, x, y, { eps: 8 })).toThrow(/8 \/ 255 is/);
      expect(() => pgd(net, x, y, { norm: 'l2', eps: Infinity, stepSize: 1, steps: 1 })).toThrow(/eps is Infinity/);
      net.dispose();
    });
  });
});
