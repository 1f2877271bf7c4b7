import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Trainer,
  l1Pairing,
  objectiveOf,
  trades,
  tradesLoss,
  type ObjectiveFunction,
  type StepRecord,
  type TrainerOptions,
} from '../../adversarial/index.js';
import { ShapeError, tensor, type Device } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { add } from '../../engine/ops/elementwise.js';
import { testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const dataset = smallImages(48);

async function train(
  objective: TrainerOptions['objective'],
  { steps, lr = 0.05, zeroLast = false }: { steps: number; lr?: number; zeroLast?: boolean },
): Promise<{ records: StepRecord[]; warnings: readonly string[]; stuck: boolean }> {
  const net = new SmallNet(device, { seed: 3, zeroLast });
  const attack = { eps: 0.1, steps: 2, stepSize: 0.1 };
  const trainer = new Trainer({ model: net, dataset, objective, attack, batchSize: 16, steps, lr, momentum: 0.9 });
  const records: StepRecord[] = [];
  const { warnings, stuckAtUniform } = await trainer.run({
    onProgress: (progress) => void records.push(...progress.records),
  });
  trainer.dispose();
  net.dispose();
  return { records, warnings, stuck: stuckAtUniform };
}

describe('an objective that is a function', () => {
  it('of logits and labels trains, and logs its total', async () => {
    const { records } = await train((_, adversarial, labels) => crossEntropy(adversarial, labels), { steps: 30 });
    for (const { metrics } of records) {
      expect(Object.keys(metrics)).toEqual(['total', 'naturalAccuracy', 'adversarialAccuracy']);
    }
    expect(records.at(-1)?.metrics['total']).toBeLessThan(0.6 * (records[0]?.metrics['total'] ?? NaN));
  });

  it('may name terms, which are logged each by itself', async () => {
    const { records } = await train(
      (natural, adversarial, labels) => {
        const [ce, l1] = [crossEntropy(adversarial, labels), l1Pairing(natural, adversarial)];
        return { total: add(ce, l1.mul(0.25)), terms: { ce, l1 } };
      },
      { steps: 3 },
    );
    for (const { metrics } of records) {
      const { total = NaN, ce = NaN, l1 = NaN } = metrics;
      expect(l1).toBeGreaterThan(0);
      expect(total).toBeCloseTo(ce + 0.25 * l1, 5);
    }
  });

  it('takes the very steps of the objective that it stands for', async () => {
    // TRADES without its own attack.
    const { name, options, needs, loss } = trades({ lambda: 2 });
    const own: ObjectiveFunction = (natural, adversarial, labels) =>
      tradesLoss(natural, adversarial, labels, { lambda: 2 });
    const totals = async (objective: TrainerOptions['objective']): Promise<(number | undefined)[]> =>
      (await train(objective, { steps: 4 })).records.map(({ metrics }) => metrics['total']);
    expect(await totals(own)).toEqual(await totals({ name, options, needs, loss }));
  });

  it('is never said to be stuck at uniform predictions: nobody knows its value there', async () => {
    const flat = { steps: 44, lr: 0, zeroLast: true };
    const { warnings, stuck } = await train((_, adversarial, labels) => crossEntropy(adversarial, labels), flat);
    expect([warnings, stuck]).toEqual([[], false]);
  });

  it('has a name for what goes wrong', async () => {
    await device.scope(async () => {
      const logits = tensor([1, 2, 3, 4], { device, shape: [2, 2] });
      const labels = tensor(Int32Array.of(0, 1), { device });
      const rows = objectiveOf((_, adversarial, y) => crossEntropy(adversarial, y, { reduction: 'none' }), 'rows');
      expect(() => rows.loss({ natural: logits, adversarial: logits }, labels)).toThrow(ShapeError);
      expect(() => rows.loss({ natural: logits, adversarial: logits }, labels)).toThrow(
        /rows: the loss has shape \[2\]; expected a scalar/,
      );
      const custom = objectiveOf((natural) => natural.sum());
      expect(() => custom.loss({ natural: logits }, labels)).toThrow(/custom: needs the adversarial logits/);
      expect(await custom.loss({ natural: logits, adversarial: logits }, labels).total.item()).toBe(10);
    });
  });
});
