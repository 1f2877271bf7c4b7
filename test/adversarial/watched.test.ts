import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Generator, add, keep, noGrad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { Linear, Sequential, Flatten } from '../../nn/index.js';
import { bim, cwLinf, deepfool, ffgsm, fgsm, pgd, rfgsm, type Watched } from '../../adversarial/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const EPS = 0.2;
type Run = (model: Sequential, x: Tensor, labels: Tensor, watched: Watched) => Tensor | Promise<Tensor>;

const generator = (): Generator => new Generator(3, { purpose: 'start' });

/** Each attack with its number of points: a start, and the end of each step. */
const ATTACKS: readonly (readonly [name: string, points: number, run: Run])[] = [
  ['fgsm', 2, (model, x, labels, watched) => fgsm(model, x, labels, { eps: EPS, ...watched })],
  ['bim', 6, (model, x, labels, watched) => bim(model, x, labels, { eps: EPS, steps: 5, ...watched })],
  [
    'rfgsm',
    2,
    (model, x, labels, watched) => rfgsm(model, x, labels, { eps: EPS, generator: generator(), ...watched }),
  ],
  ['rfgsm that stays', 1, (model, x, labels, watched) => rfgsm(model, x, labels, { eps: 0, ...watched })],
  [
    'ffgsm',
    2,
    (model, x, labels, watched) => ffgsm(model, x, labels, { eps: EPS, generator: generator(), ...watched }),
  ],
  [
    'pgd',
    8,
    (model, x, labels, watched) =>
      pgd(model, x, labels, { eps: EPS, stepSize: EPS / 5, steps: 7, generator: generator(), ...watched }),
  ],
  [
    'cwLinf',
    4,
    (model, x, labels, watched) => cwLinf(model, x, labels, { eps: EPS, steps: 3, generator: generator(), ...watched }),
  ],
];

function subject(): { model: Sequential; x: Tensor; labels: Tensor } {
  const init = new Generator(1, { purpose: 'init' });
  const model = new Sequential(new Flatten(), new Linear(9, 3, { device, generator: init }));
  const x = tensor(uniformFloats(2 * 9, 5, 0, 1), { device, shape: [2, 1, 3, 3] });
  return { model, x, labels: tensor(Int32Array.of(0, 2), { device }) };
}

/** Copies of the points, as a caller keeps them. */
function watch(): { readonly points: Tensor[] } & Watched {
  const points: Tensor[] = [];
  return { points, onPoint: (point) => points.push(noGrad(device, () => keep(add(point, 0)))) };
}

describe('an attack that is watched', () => {
  it.each(ATTACKS)(
    '%s shows %i points, the last of which is its result, and the same result',
    async (_, count, run) => {
      await device.scope(async () => {
        const { model, x, labels } = subject();
        const alone = await (await run(model, x, labels, {})).floats();
        const watched = watch();
        const seen = await (await run(model, x, labels, watched)).floats();
        expect(seen).toEqual(alone);
        expect(watched.points).toHaveLength(count);
        expect(await watched.points.at(-1)?.floats()).toEqual(alone);
        // Each step went somewhere.
        const all = await Promise.all(watched.points.map((point) => point.floats()));
        for (const [at, values] of all.slice(1).entries()) expect(values).not.toEqual(all[at]);
        for (const point of watched.points) point.dispose();
      });
    },
  );

  it('shows of pgd the ends of shorter attacks', async () => {
    await device.scope(async () => {
      const { model, x, labels } = subject();
      const options = { eps: EPS, stepSize: EPS / 5 };
      const watched = watch();
      await pgd(model, x, labels, { ...options, steps: 6, generator: generator(), ...watched }).floats();
      for (const steps of [1, 2, 5]) {
        const shorter = await pgd(model, x, labels, { ...options, steps, generator: generator() }).floats();
        expect(await watched.points[steps]?.floats()).toEqual(shorter);
      }
      for (const point of watched.points) point.dispose();
    });
  });

  it.each(['original', 'torchattacks'] as const)(
    'shows where each iteration of deepfool, %s, leads',
    async (variant) => {
      await device.scope(async () => {
        const { model, x, labels } = subject();
        const watched = watch();
        const { images, iterations } = await deepfool(model, x, labels, { variant, ...watched });
        const taken = Math.max(...(await iterations.data()).map(Number));
        expect(watched.points.length).toBeGreaterThanOrEqual(taken + 1);
        expect(await watched.points[0]?.floats()).toEqual(await x.floats());
        expect(await watched.points.at(-1)?.floats()).toEqual(await images.floats());
        for (const point of watched.points) point.dispose();
      });
    },
  );
});
