import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Trainer,
  decodeTrainingCheckpoint,
  encodeTrainingCheckpoint,
  mimaeAT,
  pgdAttack,
  plain,
  standardAT,
  type Attack,
  type RunOptions,
  type StepRecord,
  type TrainerOptions,
  type TrainingCheckpoint,
  type ValidationRecord,
} from '../../adversarial/index.js';
import { augmentation } from '../../data/augmentation.js';
import { Dataset } from '../../data/dataset.js';
import { Loader } from '../../data/loader.js';
import { ArgumentError, Generator, tensor, type Device } from '../../engine/index.js';
import {
  Flatten,
  Linear,
  RMSprop,
  ReLU,
  Sequential,
  StepSchedule,
  saveStateDict,
  updateBatchNorm,
  type Module,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const dataset = smallImages(40);
const attack = { eps: 0.1, steps: 2 };

function settings(model: Module, changes: Partial<TrainerOptions> = {}): TrainerOptions {
  return {
    ...{ model, dataset, objective: standardAT(), attack, batchSize: 16, steps: 6, lr: 0.05, momentum: 0.9, seed: 7 },
    ...changes,
  };
}

/** A network without anything that goes by the batch. */
function perceptron(): Sequential {
  const from = { device, generator: new Generator(2, { purpose: 'init' }) };
  return new Sequential(new Flatten(), new Linear(36, 12, from), new ReLU(), new Linear(12, 3, from));
}

type Values = Record<string, Float32Array>;

async function valuesOf(model: Module): Promise<Values> {
  const entries = Object.entries(await saveStateDict(model));
  return Object.fromEntries(entries.map(([name, { data }]) => [name, Float32Array.from(data as Float32Array)]));
}

/** Trains a model and gives its values and the log; `after` sees the trainer before it is freed. */
async function train(
  model: Module,
  changes: Partial<TrainerOptions> = {},
  options: RunOptions = {},
  after: (trainer: Trainer) => Promise<void> = () => Promise.resolve(),
): Promise<{ values: Values; records: StepRecord[] }> {
  const trainer = new Trainer(settings(model, changes));
  const records: StepRecord[] = [];
  await trainer.run({ ...options, onProgress: (progress) => void records.push(...progress.records) });
  await after(trainer);
  const values = await valuesOf(model);
  trainer.dispose();
  model.dispose();
  return { values, records };
}

function expectClose(values: Values, expected: Values, tolerance: number): void {
  expect(Object.keys(values)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(values)) {
    const other = expected[name] ?? new Float32Array();
    const scale = Math.max(1e-3, ...other.map(Math.abs));
    value.forEach((one, at) => expect(Math.abs(one - (other[at] ?? NaN)), name).toBeLessThanOrEqual(tolerance * scale));
  }
}

describe('batches in parts', () => {
  it.each([2, 3, 16, 40])(
    '%i parts take the step of the whole batch, where nothing goes by the batch',
    async (parts) => {
      const whole = await train(perceptron());
      const inParts = await train(perceptron(), { accumulate: parts });
      // Sums of 16 rows in another order, over six steps.
      expectClose(inParts.values, whole.values, 1e-4);
      inParts.records.forEach(({ metrics }, index) => {
        const expected = whole.records[index]?.metrics ?? {};
        expect(metrics['ce']).toBeCloseTo(expected['ce'] ?? NaN, 5);
        expect(metrics['adversarialAccuracy']).toBeCloseTo(expected['adversarialAccuracy'] ?? NaN, 6);
      });
    },
  );

  it('batch norm goes by the parts', async () => {
    const { values } = await train(new SmallNet(device, { seed: 3 }), { accumulate: 2, steps: 3, dropLast: true });
    // The attack looks at running statistics only; two parts of three steps do move them.
    expect(values['bn.num_batches_tracked']).toEqual(Float32Array.of(6));
  });
});

describe('clipped gradients', () => {
  it('have their norm before in the metrics, and move the parameters by as much as they may', async () => {
    const before = perceptron();
    const start = await valuesOf(before);
    before.dispose();
    const changes = { steps: 1, momentum: 0, lr: 1 };
    const { values, records } = await train(perceptron(), { ...changes, maxNorm: 0.01 });
    expect(records[0]?.metrics['gradientNorm']).toBeGreaterThan(0.01);
    const moved = Object.entries(values).map(([name, value]) =>
      value.map((one, at) => one - (start[name]?.[at] ?? NaN)),
    );
    expect(Math.hypot(...moved.flatMap((each) => [...each]))).toBeCloseTo(0.01, 5);
    const free = await train(perceptron(), changes);
    expect(free.records[0]?.metrics).not.toHaveProperty('gradientNorm');
  });
});

describe('an optimiser that a function makes', () => {
  const own: TrainerOptions['optimizer'] = (parameters, options) =>
    new RMSprop(parameters, { ...options, alpha: 0.5, centered: true });

  it('is what that of its name is, with the same options', async () => {
    const changes = { weightDecay: 0.01, momentum: 0.5 };
    const named = await train(perceptron(), { ...changes, optimizer: 'rmsprop' });
    const made = await train(perceptron(), { ...changes, optimizer: (of, options) => new RMSprop(of, options) });
    expect(made.values).toEqual(named.values);
    expect((await train(perceptron(), { ...changes, optimizer: own })).values).not.toEqual(named.values);
  });

  it('goes by the schedule, has the average, and is in the checkpoint that a run goes on from', async () => {
    const lr = new StepSchedule({ baseLr: 0.01, drops: [2] });
    const changes = { lr, optimizer: own, average: { kind: 'ema', decay: 0.5 } as const };
    const whole = await train(perceptron(), changes, {}, (trainer) => trainer.adoptAverage());
    const first = perceptron();
    const broken = new Trainer(settings(first, changes));
    await broken.run({ until: 4 });
    expect(broken.optimizer).toMatchObject({ alpha: 0.5, centered: true, momentum: 0.9, lr: 0.001 });
    const checkpoint = decodeTrainingCheckpoint(encodeTrainingCheckpoint(await broken.checkpoint()), 'kept');
    broken.dispose();
    first.dispose();
    const again = perceptron();
    const trainer = new Trainer(settings(again, changes));
    trainer.restore(checkpoint);
    await trainer.run();
    await trainer.adoptAverage();
    expect(await valuesOf(again)).toEqual(whole.values);
    trainer.dispose();
    again.dispose();
  });
});

describe('augmentation', () => {
  it('is that of the seed, the epoch and the examples', async () => {
    const options = { padCropFlip: { padding: 1 } };
    const once = { batchSize: 40, steps: 1, objective: plain() };
    const { values } = await train(perceptron(), { ...once, augmentation: options });
    const { images, indices, labels, shape } = new Loader(dataset, { batchSize: 40, seed: 7 }).batch(0, 0);
    const changed = await device.scope(() => {
      const examples = tensor(new Int32Array(indices), { device });
      const generator = new Generator(7, { purpose: 'augmentation', index: 0 });
      return augmentation(options).apply(tensor(images, { device, shape }), generator, examples).floats();
    });
    // Back in the dataset's order, so that the same shuffle deals the same batch.
    const restored = new Float32Array(changed.length);
    const restoredLabels = new Int32Array(40);
    indices.forEach((index, row) => {
      restored.set(changed.subarray(row * 36, (row + 1) * 36), index * 36);
      restoredLabels[index] = labels[row] ?? 0;
    });
    const own = new Dataset({
      name: 'changed',
      images: restored,
      labels: restoredLabels,
      shape: dataset.shape,
      classes: 3,
    });
    const expected = await train(perceptron(), { ...once, dataset: own });
    expectClose(values, expected.values, 1e-6);
    expect((await train(perceptron(), once)).values).not.toEqual(values);
  });
});

describe('an average of the parameters', () => {
  /** The values after each step, and those that the run ends with. */
  async function averaged(
    make: () => Module,
    changes: Partial<TrainerOptions>,
  ): Promise<{ steps: Values[]; values: Values; adopted: Values }> {
    const model = make();
    const steps: Values[] = [];
    const trainer = new Trainer(settings(model, changes));
    await trainer.run({ onStep: async () => void steps.push(await valuesOf(model)) });
    const values = await valuesOf(model);
    await trainer.adoptAverage();
    const adopted = await valuesOf(model);
    trainer.dispose();
    model.dispose();
    return { steps, values, adopted };
  }

  it('is exponential with a warm-up, and no part of the training', async () => {
    const { steps, values, adopted } = await averaged(perceptron, { average: { kind: 'ema', decay: 0.3 } });
    expect(values).toEqual((await train(perceptron())).values);
    // The first of six steps is the 2.5 % before averaging begins.
    let expected = steps[0] ?? {};
    steps.slice(1).forEach((now, t) => {
      const keep = Math.min(0.3, (1 + t) / (10 + t));
      expected = Object.fromEntries(
        Object.entries(now).map(([name, value]) => [
          name,
          value.map((one, at) => keep * (expected[name]?.[at] ?? NaN) + (1 - keep) * one),
        ]),
      );
    });
    expectClose(adopted, expected, 1e-6);
  });

  it('is the mean over epochs, with running statistics of its own', async () => {
    const make = (): SmallNet => new SmallNet(device, { seed: 3 });
    const { steps, values, adopted } = await averaged(make, { steps: 9, average: { kind: 'swa', start: 0.4 } });
    expect(values).toEqual((await train(make(), { steps: 9 })).values);
    // Epochs of three steps end after 3, which is too early, 6 and 9.
    const [six, nine] = [steps[5] ?? {}, steps[8] ?? {}];
    const mean = Object.fromEntries(
      Object.entries(six).map(([name, value]) => [name, value.map((one, at) => (one + (nine[name]?.[at] ?? NaN)) / 2)]),
    );
    const net = make();
    for (const [name, parameter] of net.namedParameters()) {
      parameter.copyFrom(tensor(mean[name] ?? new Float32Array(), { device, shape: parameter.shape }));
    }
    const loader = new Loader(dataset, { batchSize: 16, seed: 7 });
    const batches = Array.from({ length: loader.length }, (_, at) => loader.batch(0, at)).map(({ images, shape }) =>
      tensor(images, { device, shape }),
    );
    await updateBatchNorm(net, batches);
    expectClose(adopted, await valuesOf(net), 1e-5);
    for (const each of [net, ...batches]) each.dispose();
  });
});

describe('weight perturbation', () => {
  it('begins after its epochs', async () => {
    const at = async (steps: number, changes: Partial<TrainerOptions>): Promise<Values> =>
      (await train(perceptron(), { steps, ...changes })).values;
    const perturbation = { gamma: 0.02, after: 1 };
    expect(await at(3, { perturbation })).toEqual(await at(3, {}));
    expect(await at(4, { perturbation })).not.toEqual(await at(4, {}));
  });
});

describe('validation', () => {
  const held = smallImages(30, 5);
  const validation = { dataset: held, attack: pgdAttack({ eps: 0.1, stepSize: 0.05, steps: 2 }) };

  it('measures at the ends of epochs, tells the best, and changes nothing', async () => {
    const seen: ValidationRecord[] = [];
    const changes = { steps: 12, objective: mimaeAT({ beta: 0.1 }) };
    const net = (): SmallNet => new SmallNet(device, { seed: 3 });
    const looked = await train(net(), { ...changes, validation }, { onValidation: (record) => void seen.push(record) });
    expect(looked.values).toEqual((await train(net(), changes)).values);
    expect(seen.map(({ epoch, step }) => [epoch, step])).toEqual([1, 2, 3, 4].map((epoch) => [epoch, 3 * epoch]));
    let best = -1;
    for (const { robust, natural, best: isBest } of seen) {
      expect(isBest).toBe(robust > best);
      best = Math.max(best, robust);
      expect(natural).toBeGreaterThanOrEqual(robust);
    }
    const rare: number[] = [];
    const every = { ...validation, every: 2 };
    await train(net(), { ...changes, validation: every }, { onValidation: ({ epoch }) => void rare.push(epoch) });
    expect(rare).toEqual([2, 4]);
  });

  it('ends a run that gets no better, also one that is taken up again', async () => {
    const net = perceptron();
    // A rate of 0: nothing gets better after the first.
    const make = (): Trainer =>
      new Trainer(settings(net, { steps: 30, lr: 0, validation: { ...validation, patience: 2 } }));
    const trainer = make();
    const places: number[] = [];
    const result = await trainer.run({ onCheckpoint: ({ step }) => void places.push(step) });
    expect(result).toMatchObject({ steps: 9, stoppedEarly: true, best: { step: 3, since: 2 } });
    expect(places).toEqual([9]);
    const checkpoint = await trainer.checkpoint();
    trainer.dispose();
    const again = make();
    again.restore(checkpoint);
    expect(await again.run()).toMatchObject({ steps: 9, stoppedEarly: true });
    again.dispose();
    net.dispose();
  });

  it('takes what a preset says of it, whose patience is null for never', async () => {
    const plan = { samples: 30, every: 1, steps: 2, patience: null };
    const changes = { steps: 9, lr: 0, validation: { ...plan, ...validation } };
    const model = perceptron();
    const trainer = new Trainer(settings(model, changes));
    expect(await trainer.run()).toMatchObject({ steps: 9, stoppedEarly: false, best: { step: 3, since: 2 } });
    trainer.dispose();
    model.dispose();
  });

  it.each(['parameters', 'average'])('that is broken off is done by the run that goes on (%s)', async (which) => {
    const average = which === 'average' ? ({ kind: 'ema', decay: 0.5 } as const) : undefined;
    const changes = { steps: 6, average, validation: { ...validation, dataset: smallImages(110, 5) } };
    const net = (): SmallNet => new SmallNet(device, { seed: 3 });
    const told: unknown[] = [];
    const telling: RunOptions = {
      onValidation: (record) => void told.push(record),
      onEpoch: ({ epoch }) => void told.push(epoch),
    };
    const unbroken = await train(net(), changes, telling);
    const expected = told.splice(0);

    // The validation has two batches: the run is told to end in the first.
    const controller = new AbortController();
    const inner = validation.attack;
    const aborting: Attack = {
      settings: {},
      warnings: [],
      hosted: true,
      run: (model, x, labels, random) => {
        controller.abort();
        return Promise.resolve(inner.run(model, x, labels, random));
      },
    };
    const model = net();
    const broken = new Trainer(
      settings(model, { ...changes, validation: { ...changes.validation, attack: aborting } }),
    );
    const kept: TrainingCheckpoint[] = [];
    const { signal } = controller;
    const ended = broken.run({
      ...telling,
      signal,
      onCheckpoint: async () => void kept.push(await broken.checkpoint()),
    });
    await expect(ended).rejects.toThrow('aborted');
    broken.dispose();
    model.dispose();
    expect(kept.map(({ step, owesValidation }) => [step, owesValidation])).toEqual([[3, true]]);
    expect(told).toEqual([]);

    const [checkpoint] = kept.map((each) => decodeTrainingCheckpoint(encodeTrainingCheckpoint(each), 'kept'));
    const fresh = net();
    const again = new Trainer(settings(fresh, changes));
    if (checkpoint) again.restore(checkpoint);
    const places: number[] = [];
    await again.run({ ...telling, onCheckpoint: ({ step }) => void places.push(step) });
    expect(await valuesOf(fresh)).toEqual(unbroken.values);
    expect(told).toEqual(expected);
    expect(places).toEqual([3, 6]);
    again.dispose();
    fresh.dispose();
  });

  it('looks at the average where there is one, and gives everything back', async () => {
    const changes = { steps: 9, average: { kind: 'swa', start: 0 } as const };
    const model = new SmallNet(device, { seed: 3 });
    const held: Values[] = [];
    const looked = await train(
      model,
      { ...changes, validation },
      { onValidation: async () => void held.push(await valuesOf(model)) },
    );
    expect(looked.values).toEqual((await train(new SmallNet(device, { seed: 3 }), changes)).values);
    expect(held).toHaveLength(3);
    expect(held[2]).not.toEqual(looked.values);
    expect(Object.keys(held[2] ?? {})).toContain('bn.running_mean');
  });
});

describe('what is refused', () => {
  it.each<[Partial<TrainerOptions>, RegExp]>([
    [{ accumulate: 0 }, /accumulate is 0; expected an integer from 1 up/],
    [{ maxNorm: 0 }, /maxNorm is 0; expected a number above 0/],
    [{ optimizer: 'adam', nesterov: true }, /optimiser adam: has no Nesterov momentum/],
    [{ average: { kind: 'ema', decay: 1 } }, /EMA: decay is 1/],
    [{ average: { kind: 'swa', start: 1 } }, /average swa: start is 1; expected a part of the run/],
    [{ perturbation: { gamma: -1 } }, /gamma is -1/],
    [{ perturbation: { after: 0.5 } }, /perturbation\.after is 0\.5/],
    [{ augmentation: { padCropFlip: { padding: 0.5 } } }, /padding is 0\.5/],
    [
      { validation: { dataset, attack: pgdAttack({ eps: 0.1, stepSize: 0.1, steps: 1 }), patience: 0 } },
      /validation: patience is 0/,
    ],
  ])('$1', async (changes, message) => {
    const net = perceptron();
    const make = async (): Promise<void> => {
      await new Trainer(settings(net, changes)).run();
    };
    const made = make();
    await expect(made).rejects.toThrow(ArgumentError);
    await expect(made).rejects.toThrow(message);
    net.dispose();
  });
});
