import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Trainer,
  fastAT,
  ffgsm,
  objectiveNamed,
  type FastATOptions,
  type StepRecord,
} from '../../adversarial/index.js';
import { Loader } from '../../data/loader.js';
import { ArgumentError, Generator, noGrad, tensor, type Device } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { saveStateDict } from '../../nn/index.js';
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
const [EPS, BATCH, SEED] = [0.15, 16, 5];

/** Trains a network by `fastAT` with attack settings that would make another adversary. */
async function train(options: FastATOptions, steps: number): Promise<{ records: StepRecord[]; batches: number }> {
  const net = new SmallNet(device, { seed: 3 });
  const trainer = new Trainer({
    model: net,
    dataset,
    objective: fastAT(options),
    attack: { eps: EPS, steps: 7, stepSize: 0.01, start: 'none' },
    ...{ batchSize: BATCH, steps, lr: 0.05, momentum: 0.9, seed: SEED },
  });
  const records: StepRecord[] = [];
  const { warnings } = await trainer.run({ onProgress: (progress) => void records.push(...progress.records) });
  expect(warnings).toEqual([]);
  const tracked = (await saveStateDict(net))['bn.num_batches_tracked']?.data[0] ?? NaN;
  trainer.dispose();
  net.dispose();
  return { records, batches: Number(tracked) };
}

/** The loss of the first step, from `ffgsm` itself. */
async function firstLoss({ stepSize = 1.25, craftIn = 'train' }: FastATOptions): Promise<number> {
  const net = new SmallNet(device, { seed: 3 });
  const batch = new Loader(dataset, { batchSize: BATCH, seed: SEED }).batch(0, 0);
  try {
    return await device.scope(async () => {
      const x = tensor(batch.images, { device, shape: batch.shape });
      const labels = tensor(batch.labels, { device });
      const generator = new Generator(SEED, { purpose: 'start', index: 1 });
      const victim = craftIn === 'train' ? (images: typeof x) => net.forward(images) : net;
      const attacked = ffgsm(victim, x, labels, { eps: EPS, stepSize: stepSize * EPS, generator });
      return await noGrad(device, () => crossEntropy(net.forward(attacked), labels)).item();
    });
  } finally {
    net.dispose();
  }
}

describe('fast adversarial training', () => {
  it.each<FastATOptions>([{}, { craftIn: 'eval' }, { stepSize: 1.5 }])(
    'attacks by one step from a uniform start, whatever the run says: %o',
    async (options) => {
      const { records } = await train(options, 1);
      expect(records[0]?.metrics['ce']).toBeCloseTo(await firstLoss(options), 5);
      expect(records[0]?.eps).toBe(EPS);
    },
  );

  it('crafts in training mode, or not, and that makes other images', async () => {
    const [inTrain, inEval] = [await firstLoss({}), await firstLoss({ craftIn: 'eval' })];
    expect(Math.abs(inTrain - inEval)).toBeGreaterThan(1e-3);
    expect((await train({}, 3)).batches).toBe(6);
    expect((await train({ craftIn: 'eval' }, 3)).batches).toBe(3);
  });

  it('lowers the loss', async () => {
    const { records } = await train({}, 30);
    const mean = (of: readonly StepRecord[]): number =>
      of.reduce((sum, { metrics }) => sum + (metrics['ce'] ?? NaN), 0) / of.length;
    expect(mean(records.slice(-6))).toBeLessThan(0.7 * mean(records.slice(0, 3)));
  });

  it('refuses a step without length, and an unknown mode', () => {
    expect(() => fastAT({ stepSize: 0 })).toThrow(ArgumentError);
    expect(() => fastAT({ stepSize: 0 })).toThrow(/fast-at: stepSize is 0; expected a finite number above 0/);
    expect(() => objectiveNamed('fast-at', { craftIn: 'test' })).toThrow(/craftIn is 'test'; expected train or eval/);
  });
});
