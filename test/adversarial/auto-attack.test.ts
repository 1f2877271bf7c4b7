import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Trainer,
  autoAttack,
  autoAttackParts,
  evaluate,
  standardAT,
  type HostedAttack,
} from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import { ArgumentError, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';
import { SmallNet } from './small-images.js';

const SIDE = 6;
const CLASSES = 4;

/** Noise, with a bright corner where the class says. */
function corners(n: number, seed: number): Dataset {
  const images = uniformFloats(n * SIDE * SIDE, seed, 0, 0.5);
  const labels = Int32Array.from({ length: n }, (_, i) => i % CLASSES);
  for (const [i, label] of labels.entries()) {
    for (let at = 0; at < 9; at++) {
      const [row, column] = [Math.floor(at / 3) + 3 * (label >> 1), (at % 3) + 3 * (label & 1)];
      const place = i * SIDE * SIDE + row * SIDE + column;
      images[place] = (images[place] ?? 0) + 0.4;
    }
  }
  return new Dataset({ name: 'corners', images, labels, shape: [n, 1, SIDE, SIDE], classes: CLASSES });
}

let device: Device;
let net: SmallNet;
beforeAll(async () => {
  device = await testDevice();
  net = new SmallNet(device, { classes: CLASSES });
  const attack = { eps: 0.1, steps: 4 };
  const training = { batchSize: 16, steps: 60, lr: 0.05, momentum: 0.9, attack };
  const trainer = new Trainer({ model: net, dataset: corners(96, 1), objective: standardAT(), ...training });
  await trainer.run();
  trainer.dispose();
});
afterAll(() => {
  device.destroy();
});

const test = corners(12, 9);

describe('autoAttack', () => {
  it('is made of the published attacks with the published settings', () => {
    const settingsOf = (parts: Record<string, HostedAttack>): object[] =>
      Object.values(parts).map(({ settings }) => settings);
    expect(settingsOf(autoAttackParts({ eps: 0.3 }))).toEqual([
      { attack: 'apgd-ce', norm: 'linf', eps: 0.3, steps: 100 },
      { attack: 'apgd-t', norm: 'linf', eps: 0.3, steps: 100, targets: 9 },
      { attack: 'fab-t', norm: 'linf', eps: 0.3, steps: 100, targets: 9 },
      { attack: 'square', norm: 'linf', eps: 0.3, queries: 5000, pInit: 0.8 },
    ]);
    expect(Object.keys(autoAttackParts({ eps: 2, norm: 'l2', version: 'rand' }))).toEqual(['apgd-ce', 'apgd-dlr']);
    expect(autoAttack({ eps: 0.3 }).settings).toEqual({
      attack: 'autoattack',
      norm: 'linf',
      eps: 0.3,
      version: 'standard',
    });
    expect(() => autoAttack({ eps: 0.3, version: 'plus' as 'rand' })).toThrow(ArgumentError);
    expect(() => autoAttack({ eps: 30 })).toThrow(/more than the range/);
  });

  it('leaves no more than the attacks in it do', async () => {
    // So wide that nothing is left for the thousands of queries of the last attack, which has tests of its own.
    const eps = 0.4;
    const { 'apgd-ce': first, 'apgd-t': second } = autoAttackParts({ eps });
    if (!first || !second) throw new Error('two attacks');
    const together = autoAttack({ eps });
    const { attacks, natural } = await evaluate(net, test, { attacks: { first, second, together }, seed: 2 });
    const left = attacks['together']?.accuracy.count ?? NaN;
    for (const name of ['first', 'second']) expect(left).toBeLessThanOrEqual(attacks[name]?.accuracy.count ?? NaN);
    expect(left).toBe(0);
    expect(natural.accuracy.count).toBeGreaterThan(6);
    expect(attacks['together']?.perturbation.linf.filter((size) => size > 0)).toHaveLength(natural.accuracy.count);
  });
});
