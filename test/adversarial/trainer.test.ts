import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DivergenceError,
  MNIST_RECOMMENDED,
  Trainer,
  mimaeAT,
  plain,
  standardAT,
  type RunOptions,
  type StepRecord,
  type TrainerOptions,
} from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import { ArgumentError, ShapeError, type Device } from '../../engine/index.js';
import { StepSchedule, modelNamed, saveStateDict } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const dataset = smallImages(96);

function settings(net: SmallNet, changes: Partial<TrainerOptions> = {}): TrainerOptions {
  return {
    model: net,
    dataset,
    objective: mimaeAT({ beta: 0.1 }),
    attack: { eps: 0.1, steps: 4, rampFraction: 0.5 },
    batchSize: 16,
    steps: 12,
    lr: 0.05,
    momentum: 0.9,
    weightDecay: 2e-4,
    seed: 7,
    logEvery: 4,
    ...changes,
  };
}

/** Trains a new network and gives the log; `after` sees the network before it is freed. */
async function train(
  changes: Partial<TrainerOptions> = {},
  options: RunOptions = {},
  after: (net: SmallNet, trainer: Trainer) => Promise<void> = () => Promise.resolve(),
): Promise<StepRecord[]> {
  const net = new SmallNet(device, { seed: 3 });
  const trainer = new Trainer(settings(net, changes));
  const records: StepRecord[] = [];
  try {
    await trainer.run({
      ...options,
      onProgress: async (progress) => {
        records.push(...progress.records);
        await options.onProgress?.(progress);
      },
    });
    await after(net, trainer);
    return records;
  } finally {
    trainer.dispose();
    net.dispose();
  }
}

/** Mean of a metric over some records. */
function mean(records: readonly StepRecord[], name: string): number {
  return records.reduce((sum, { metrics }) => sum + (metrics[name] ?? NaN), 0) / records.length;
}

describe('training', () => {
  it.each([
    ['plain', plain(), 'ce', ['total', 'ce', 'naturalAccuracy']],
    ['standard-at', standardAT(), 'ce', ['total', 'ce', 'adversarialAccuracy']],
    ['mimae-at', mimaeAT({ beta: 0.1 }), 'bce', ['total', 'bce', 'mi', 'l1', 'naturalAccuracy', 'adversarialAccuracy']],
  ] as const)('by %s lowers the loss and logs its terms', async (_, objective, term, names) => {
    const records = await train({ objective, steps: 30, attack: { eps: 0.1, steps: 4 } });
    expect(records.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_value, i) => i + 1));
    for (const { metrics } of records) expect(Object.keys(metrics)).toEqual(names);
    expect(mean(records.slice(-6), term)).toBeLessThan(0.7 * mean(records.slice(0, 3), term));
    const accuracy = names.at(-1) ?? '';
    expect(mean(records.slice(-6), accuracy)).toBeGreaterThan(0.8);
    expect(mean(records.slice(-6), accuracy)).toBeLessThanOrEqual(1);
  });

  it('logs total = bce - lambda mi + beta l1', async () => {
    for (const { metrics } of await train({ objective: mimaeAT({ lambda: 0.5, beta: 0.2 }), steps: 4 })) {
      const { total = 0, bce = 0, mi = 0, l1 = 0 } = metrics;
      expect(total).toBeCloseTo(bce - 0.5 * mi + 0.2 * l1, 5);
    }
  });

  it('ramps eps, keeps the schedule, and says when epochs end', async () => {
    const epochs: [number, number][] = [];
    const lr = new StepSchedule({ baseLr: 0.04, drops: [2], gamma: 0.5 });
    const records = await train(
      { steps: undefined, epochs: 2, lr, batchSize: 36 },
      { onEpoch: ({ epoch, step }) => void epochs.push([epoch, step]) },
    );
    expect(records.map(({ step, epoch, lr: rate, eps }) => [step, epoch, rate, eps])).toEqual([
      [1, 1, 0.04, 0.1 * (1 / 3)],
      [2, 1, 0.04, 0.1 * (2 / 3)],
      [3, 1, 0.04, 0.1],
      [4, 2, 0.02, 0.1],
      [5, 2, 0.02, 0.1],
      [6, 2, 0.02, 0.1],
    ]);
    expect(epochs).toEqual([
      [1, 3],
      [2, 6],
    ]);
  });

  it('by Adam moves each parameter by the rate at first, whatever its gradient', async () => {
    const net = new SmallNet(device, { seed: 3 });
    const before = await net.fc.weight.floats();
    const trainer = new Trainer(settings(net, { optimizer: 'adam', steps: 1, lr: 1e-3, weightDecay: 0 }));
    await trainer.run();
    const after = await net.fc.weight.floats();
    for (const [i, value] of after.entries()) expect(Math.abs(value - (before[i] ?? NaN))).toBeCloseTo(1e-3, 5);
    trainer.dispose();
    net.dispose();
  });

  it('reports how it stands', async () => {
    const seen: [number, number, number][] = [];
    await train(
      {},
      {
        onProgress: (progress) => {
          seen.push([progress.step, progress.steps, progress.records.length]);
          expect(progress.stepsPerSecond).toBeGreaterThan(0);
          expect(progress.secondsElapsed).toBeGreaterThan(0);
          expect(progress.secondsLeft === 0).toBe(progress.step === progress.steps);
        },
      },
    );
    expect(seen).toEqual([
      [4, 12, 4],
      [8, 12, 4],
      [12, 12, 4],
    ]);
  });

  it('moves batch norm by the natural and the adversarial batch of each step, and by nothing else', async () => {
    const expected: [TrainerOptions['objective'], number][] = [
      [plain(), 5],
      [mimaeAT(), 10],
    ];
    for (const [objective, batches] of expected) {
      await train({ objective, steps: 5 }, {}, async (net) => {
        expect((await saveStateDict(net))['bn.num_batches_tracked']?.data).toEqual(Int32Array.of(batches));
      });
    }
  });

  it('gives every part of the model its mode back', async () => {
    const net = new SmallNet(device);
    net.eval();
    net.drop.train();
    const trainer = new Trainer(settings(net, { steps: 2 }));
    await trainer.run({ onProgress: () => expect(net.bn.training).toBe(true) });
    expect(net.bn.training).toBe(false);
    expect(net.drop.training).toBe(true);
    trainer.dispose();
    net.dispose();
  });
});

describe('cost', () => {
  it('is one submit a step, nothing read back within one, and the same memory to the byte', async () => {
    const net = new SmallNet(device);
    const trainer = new Trainer(settings(net, { steps: 40, logEvery: 10 }));
    await trainer.run({ until: 3 });
    const before = { counters: { ...device.counters }, memory: device.memory() };
    await trainer.run({ until: 9 });
    const { counters } = device;
    // The one reading is that at the end of the run.
    expect(counters.readbacks - before.counters.readbacks).toBe(1);
    expect(counters.submits - before.counters.submits).toBe(6 + 1);
    expect(counters.pipelines).toBe(before.counters.pipelines);
    expect(counters.buffers).toBe(before.counters.buffers);
    expect(device.memory()).toEqual(before.memory);
    for (let until = 10; until <= 14; until++) {
      await trainer.run({ until });
      expect(device.memory()).toEqual(before.memory);
    }
    trainer.dispose();
    net.dispose();
  });

  it('is that for the recommended run on images of 28 x 28 as well', async () => {
    const { model: network, training } = MNIST_RECOMMENDED;
    const images = new Float32Array(16 * 784).fill(0.5);
    const blank = new Dataset({
      name: 'blank',
      images,
      labels: new Int32Array(16),
      shape: [16, 1, 28, 28],
      classes: 10,
    });
    const model = modelNamed(network.name, { device, options: network.options });
    const { objective } = MNIST_RECOMMENDED;
    const trainer = new Trainer({ model, dataset: blank, objective, ...training, batchSize: 4, steps: 10 });
    await trainer.run({ until: 3 });
    const before = { counters: { ...device.counters }, memory: device.memory() };
    await trainer.run({ until: 6 });
    expect(device.counters.submits - before.counters.submits).toBe(3 + 1);
    expect(device.counters.readbacks - before.counters.readbacks).toBe(1);
    expect(device.counters.buffers).toBe(before.counters.buffers);
    expect(device.memory()).toEqual(before.memory);
    trainer.dispose();
    model.dispose();
  });

  it('leaves nothing behind', async () => {
    await train({ steps: 2 });
    const { live, tensors } = device.memory();
    await train({ steps: 2 });
    expect(device.memory()).toMatchObject({ live, tensors });
  });
});

describe('determinism', () => {
  const state = async (changes: Partial<TrainerOptions> = {}): Promise<Record<string, number[]>> => {
    let bits: Record<string, number[]> = {};
    await train({ steps: 8, ...changes }, {}, async (net) => {
      const entries = Object.entries(await saveStateDict(net));
      bits = Object.fromEntries(entries.map(([name, { data }]) => [name, [...new Uint32Array(data.buffer)]]));
    });
    return bits;
  };

  it('the same seed gives the same bits, another seed others', async () => {
    const first = await state();
    expect(await state()).toEqual(first);
    expect(await state({ logEvery: 3 })).toEqual(first);
    expect(await state({ seed: 8 })).not.toEqual(first);
  });
});

describe('what goes wrong', () => {
  it('a run that does not leave the uniform solution is told, once', async () => {
    const warnings: string[] = [];
    const net = new SmallNet(device, { zeroLast: true });
    const trainer = new Trainer(settings(net, { steps: 44, lr: 0, attack: { eps: 0.1, steps: 1, stepSize: 0.1 } }));
    const result = await trainer.run({ onWarning: (message) => warnings.push(message) });
    expect(warnings).toEqual(result.warnings);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/is at the value of uniform predictions: bce is 1.504 after 22 of 44 steps/);
    expect(result.stuckAtUniform).toBe(true);
    trainer.dispose();
    net.dispose();
  });

  it('a run that learns is not', async () => {
    const warnings: string[] = [];
    await train(
      { steps: 44, attack: { eps: 0.1, steps: 1, stepSize: 0.1 } },
      { onWarning: (message) => warnings.push(message) },
    );
    expect(warnings).toEqual([]);
  });

  it('an adversary that cannot reach its ball is told', async () => {
    const warnings: string[] = [];
    const attack = { eps: 0.3, steps: 10, stepSize: 0.01 };
    await train({ steps: 2, attack }, { onWarning: (message) => warnings.push(message) });
    expect(warnings).toEqual([expect.stringMatching(/training attack: 10 steps of 0.01 move 0.1 at most/)]);
    const natural: string[] = [];
    await train({ steps: 2, attack, objective: plain() }, { onWarning: (message) => natural.push(message) });
    expect(natural).toEqual([]);
  });

  it('divergence is a typed error with the step and the term', async () => {
    const steps: number[] = [];
    const onProgress = ({ records }: { readonly records: readonly StepRecord[] }): void =>
      void steps.push(...records.map(({ step }) => step));
    const error: unknown = await train({ lr: 1e30 }, { onProgress }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DivergenceError);
    if (!(error instanceof DivergenceError)) return;
    expect(error.message).toMatch(/training diverged: .* at step \d+; lower the learning rate/);
    expect(error.step).toBeGreaterThan(1);
    expect(error.step).toBeLessThan(5);
    // What was right before it is handed on.
    expect(steps).toEqual(Array.from({ length: error.step - 1 }, (_, index) => index + 1));
    expect(['total', 'bce', 'mi', 'l1', 'logits']).toContain(error.term);
    await device.sync();
  });

  it('a signal ends the run between two steps, and it can go on', async () => {
    const net = new SmallNet(device);
    const trainer = new Trainer(settings(net));
    await trainer.run({ until: 1 });
    const controller = new AbortController();
    const steps: number[] = [];
    const stopping = trainer.run({
      signal: controller.signal,
      onProgress: ({ records }) => {
        steps.push(...records.map(({ step }) => step));
      },
    });
    setTimeout(() => {
      controller.abort(new Error('enough'));
    });
    await expect(stopping).rejects.toThrow('enough');
    expect(trainer.step).toBeLessThan(12);
    expect(steps).toEqual(Array.from({ length: trainer.step - 1 }, (_, i) => i + 2));
    expect(net.modules().every((module) => module.training)).toBe(true);
    expect((await trainer.run()).steps).toBe(12);
    await expect(trainer.run({ signal: AbortSignal.abort() })).resolves.toMatchObject({ steps: 12 });
    trainer.dispose();
    net.dispose();
  });

  it.each([
    ['neither epochs nor steps', { steps: undefined }, /one of epochs and steps/],
    ['both', { epochs: 1 }, /one of epochs and steps/],
    ['steps of 0', { steps: 0 }, /steps is 0; expected an integer from 1 up/],
    ['epochs that are no integer', { steps: undefined, epochs: 0.5 }, /epochs is 0.5/],
    ['logEvery of 0', { logEvery: 0 }, /logEvery is 0/],
    ['a batch size of 0', { batchSize: 0 }, /batch size 0/],
    ['a negative lr', { lr: -1 }, /baseLr is -1/],
    ['a negative weight decay', { weightDecay: -1 }, /weightDecay is -1/],
    ['an objective without its attack', { attack: undefined }, /mimae-at needs an attack/],
    ['a negative eps', { attack: { eps: -1, steps: 1 } }, /eps is -1; expected 0 or more/],
    ['an eps in units of 0 .. 255', { attack: { eps: 51, steps: 1 } }, /51 \/ 255 is 0.2/],
    ['an attack of 0 steps', { attack: { eps: 0.1, steps: 0 } }, /steps is 0/],
    ['a ramp of 60', { attack: { eps: 0.1, steps: 1, rampFraction: 60 } }, /rampFraction is 60/],
  ])('%s: refused', (_, changes, message) => {
    const net = new SmallNet(device);
    const make = (): Trainer => new Trainer(settings(net, changes));
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(message);
    net.dispose();
  });

  it('a model with fewer logits than there are classes is refused', async () => {
    const net = new SmallNet(device, { classes: 2 });
    const trainer = new Trainer(settings(net));
    await expect(trainer.run()).rejects.toThrow(ShapeError);
    await expect(trainer.run()).rejects.toThrow(/stripes needs \[m, 3\]/);
    trainer.dispose();
    net.dispose();
  });
});
