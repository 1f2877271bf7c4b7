import { afterAll, beforeAll, expect, it } from 'vitest';
import { Trainer, mimaeAT, type StepRecord } from '../../adversarial/index.js';
import type { Device } from '../../engine/index.js';
import { plainLoop } from '../../examples/plain-loop.js';
import { saveStateDict } from '../../nn/index.js';
import { SmallNet, smallImages } from '../adversarial/small-images.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

it('takes the steps of the trainer', async () => {
  const dataset = smallImages(40);
  const [own, trained] = [new SmallNet(device, { seed: 3 }), new SmallNet(device, { seed: 3 })];
  const losses = await plainLoop(own, dataset, 2, 7);
  const trainer = new Trainer({
    ...{ model: trained, dataset, objective: mimaeAT({ lambda: 0.4, beta: 0.1 }), batchSize: 16, epochs: 2, seed: 7 },
    ...{ attack: { eps: 0.1, steps: 4 }, lr: 0.05, momentum: 0.9, weightDecay: 2e-4 },
  });
  const records: StepRecord[] = [];
  await trainer.run({ onProgress: (progress) => void records.push(...progress.records) });
  // Fused operations of the captured step round otherwise in the last bits.
  records.forEach(({ metrics }, index) => expect(losses[index]).toBeCloseTo(metrics['total'] ?? NaN, 4));
  expect(losses).toHaveLength(6);
  const [mine, theirs] = [await saveStateDict(own), await saveStateDict(trained)];
  for (const [name, { data }] of Object.entries(mine)) {
    const other = theirs[name]?.data ?? [];
    Array.from(data as Float32Array).forEach((value, at) => expect(value, name).toBeCloseTo(Number(other[at]), 4));
  }
  trainer.dispose();
  own.dispose();
  trained.dispose();
});
