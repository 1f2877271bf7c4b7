import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bim,
  cwLinf,
  ffgsm,
  fgsm,
  pgd,
  rfgsm,
  sampleCrossEntropy,
  targetedCrossEntropy,
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
const [M, FEATURES, CLASSES] = [16, 37, 5];

interface Setup {
  readonly net: Sequential;
  readonly x: Tensor;
  /** The classes that the model gives. */
  readonly labels: Tensor;
  /** Each label's next class. */
  readonly targets: Tensor;
}

async function setup(): Promise<Setup> {
  const generator = new Generator(5);
  const linear = (inputs: number, outputs: number): Linear => new Linear(inputs, outputs, { device, generator });
  const net = new Sequential(linear(FEATURES, 16), new ReLU(), linear(16, CLASSES));
  const x = tensor(uniformFloats(M * FEATURES, 3, 0, 1), { device, shape: [M, FEATURES] });
  const labels = noGrad(device, () => argmax(net.forward(x), 1));
  const next = Int32Array.from(await labels.data(), (label) => (label + 1) % CLASSES);
  return { net, x, labels, targets: tensor(next, { device }) };
}

const EPS = 0.25;
const ATTACKS: Record<string, (setup: Setup, targets?: Tensor) => Tensor> = {
  fgsm: ({ net, x, labels }, targets) => fgsm(net, x, labels, { eps: EPS, ...(targets && { targets }) }),
  bim: ({ net, x, labels }, targets) => bim(net, x, labels, { eps: EPS, ...(targets && { targets }) }),
  ffgsm: ({ net, x, labels }, targets) =>
    ffgsm(net, x, labels, { eps: EPS, generator: new Generator(1), ...(targets && { targets }) }),
  rfgsm: ({ net, x, labels }, targets) =>
    rfgsm(net, x, labels, { eps: EPS, generator: new Generator(1), ...(targets && { targets }) }),
  'pgd within an L2 ball': ({ net, x, labels }, targets) =>
    pgd(net, x, labels, {
      norm: 'l2',
      eps: 1,
      stepSize: 0.3,
      steps: 8,
      generator: new Generator(1),
      ...(targets && { targets }),
    }),
  cwLinf: ({ net, x, labels }, targets) =>
    cwLinf(net, x, labels, { eps: EPS, steps: 15, generator: new Generator(1), ...(targets && { targets }) }),
};

describe.each(Object.keys(ATTACKS))('%s with targets', (name) => {
  it(
    'draws samples to them, where without them it only draws away from the labels',
    scoped(async () => {
      const all = await setup();
      const attack = ATTACKS[name];
      if (!attack) throw new RangeError(name);
      const entropy = async (images: Tensor): Promise<Float32Array> =>
        noGrad(device, () => sampleCrossEntropy(all.net.forward(images), all.targets)).floats();
      const hits = async (images: Tensor): Promise<number> => {
        const [given, aims] = [noGrad(device, () => argmax(all.net.forward(images), 1)), all.targets];
        const [ends, wanted] = [await given.data(), await aims.data()];
        return ends.filter((label, row) => label === wanted[row]).length;
      };
      const [drawn, away] = [attack(all, all.targets), attack(all)];
      const [before, after] = [await entropy(all.x), await entropy(drawn)];
      const lower = after.filter((value, row) => value < (before[row] ?? NaN)).length;
      expect(lower).toBeGreaterThanOrEqual(M - 1);
      expect(await hits(drawn)).toBeGreaterThan(await hits(away));
      expect(await hits(all.x)).toBe(0);
      all.net.dispose();
    }),
  );
});

describe('pgd with targets', () => {
  it(
    'takes the steps of the targeted cross-entropy as a loss',
    scoped(async () => {
      const { net, x, labels, targets } = await setup();
      const options = { eps: EPS, stepSize: 0.05, steps: 3, start: 'none' } as const;
      const image = await pgd(net, x, labels, { ...options, targets }).floats();
      const same = await pgd(net, x, labels, { ...options, loss: targetedCrossEntropy(targets) }).floats();
      expect(image).toEqual(same);
      // Down the cross-entropy of the targets.
      const down = await pgd(net, x, targets, {
        ...options,
        loss: (logits, classes) => sampleCrossEntropy(logits, classes).neg(),
      }).floats();
      expect(image).toEqual(down);
      net.dispose();
    }),
  );

  it(
    'keeps of several restarts one that ends at the target, even of a lower loss',
    scoped(async () => {
      const { net, x, labels, targets } = await setup();
      const atTarget = async (restarts: number): Promise<boolean[]> => {
        const ends = Array.from({ length: M }, (_, row) => {
          const [image, label, aim] = [x, labels, targets].map((each) =>
            slice(each, [{ start: row, end: row + 1 }]),
          ) as [Tensor, Tensor, Tensor];
          // The loss turned over: by it alone, the end furthest from the target would be kept.
          const loss = (logits: Tensor): Tensor => sampleCrossEntropy(logits, aim);
          const options = { eps: 0.5, stepSize: 0.001, steps: 1, targets: aim, loss };
          return pgd(net, image, label, { ...options, restarts, generator: new Generator(4) });
        });
        const given = await noGrad(device, () => argmax(net.forward(concat(ends)), 1)).data();
        const wanted = await targets.data();
        return Array.from(given, (label, row) => label === wanted[row]);
      };
      const [once, often] = [await atTarget(1), await atTarget(12)];
      once.forEach((was, row) => {
        if (was) expect(often[row]).toBe(true);
      });
      expect(often.filter(Boolean).length).toBeGreaterThan(once.filter(Boolean).length);
      net.dispose();
    }),
  );

  it(
    'refuses targets that are not one class for each sample',
    scoped(async () => {
      const all = await setup();
      for (const attack of Object.values(ATTACKS)) {
        const few = slice(all.targets, [{ end: 2 }]);
        expect(() => attack(all, few)).toThrow(/targets \[2\] for labels \[16\]; expected one for each/);
        expect(() => attack(all, all.targets.to('f32'))).toThrow(/targets are f32; expected i32 classes/);
      }
      all.net.dispose();
    }),
  );
});
