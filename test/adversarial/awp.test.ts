import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  WeightPerturbation,
  adversarialStep,
  objectiveNamed,
  plain,
  standardAT,
  type Objective,
  type StepValues,
} from '../../adversarial/index.js';
import { ArgumentError, Generator, ShapeError, compile, tensor, type Device, type Tensor } from '../../engine/index.js';
import { BatchNorm2d, Conv2d, Flatten, Linear, SGD, Sequential, Tanh } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const MODES = ['eager', 'captured'] as const;
const [M, INPUTS, HIDDEN, CLASSES] = [5, 4, 6, 3];
const LABELS = Int32Array.from({ length: M }, (_, row) => (row * 2) % CLASSES);

/** A function of a batch as it is, or compiled so that its results have the same bits. */
function inMode<R>(mode: (typeof MODES)[number], fn: (x: Tensor, labels: Tensor) => R) {
  return mode === 'captured' ? compile(fn, { fuse: false }) : Object.assign(fn, { dispose: () => undefined });
}

/** Parameters of two layers, z = W2 tanh(W1 x + b1) + b2, in the order of the model's. */
type Layers = readonly (readonly number[])[];

/** Gradients of the mean cross-entropy of two layers, by the chain rule written out. */
function gradientsOf([w1 = [], b1 = [], w2 = [], b2 = []]: Layers, x: readonly number[]): number[][] {
  const gradients = [w1, b1, w2, b2].map((values) => values.map(() => 0));
  const [dw1 = [], db1 = [], dw2 = [], db2 = []] = gradients;
  const add = (to: number[], at: number, value: number): void => void (to[at] = (to[at] ?? NaN) + value);
  const at = (values: readonly number[], index: number): number => values[index] ?? NaN;
  for (let row = 0; row < M; row++) {
    const input = Array.from({ length: INPUTS }, (_, i) => at(x, row * INPUTS + i));
    const hidden = b1.map((bias, h) => Math.tanh(input.reduce((sum, v, i) => sum + v * at(w1, h * INPUTS + i), bias)));
    const logits = b2.map((bias, c) => hidden.reduce((sum, v, h) => sum + v * at(w2, c * HIDDEN + h), bias));
    const total = logits.reduce((sum, z) => sum + Math.exp(z), 0);
    const dz = logits.map((z, c) => (Math.exp(z) / total - (c === LABELS[row] ? 1 : 0)) / M);
    const dh = hidden.map((v, h) => (1 - v * v) * dz.reduce((sum, d, c) => sum + d * at(w2, c * HIDDEN + h), 0));
    dz.forEach((d, c) => {
      add(db2, c, d);
      hidden.forEach((v, h) => add(dw2, c * HIDDEN + h, d * v));
    });
    dh.forEach((d, h) => {
      add(db1, h, d);
      input.forEach((v, i) => add(dw1, h * INPUTS + i, d * v));
    });
  }
  return gradients;
}

const normOf = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));

/** Weights moved as the published code moves them: through a proxy that takes one step of SGD up, rate 0.01. */
function perturbed(layers: Layers, gradients: Layers, gamma: number): Layers {
  return layers.map((values, index) => {
    // Biases have one axis.
    if (index % 2 === 1) return values;
    const proxy = values.map((w, i) => w + 0.01 * (gradients[index]?.[i] ?? NaN));
    const moved = proxy.map((w, i) => w - (values[i] ?? NaN));
    const scale = normOf(values) / (normOf(moved) + 1e-20);
    return values.map((w, i) => w + gamma * scale * (moved[i] ?? NaN));
  });
}

const valuesOf = async (tensors: readonly Tensor[]): Promise<number[][]> =>
  Promise.all(tensors.map(async (each) => Array.from(await each.floats())));

/** Expects every gradient to be the expected one but for float32's rounding. */
function expectGradients(got: readonly (readonly number[])[], expected: Layers): void {
  expect(got.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  got.forEach((values, index) => {
    const far = values.map((value, i) => Math.abs(value - (expected[index]?.[i] ?? NaN)));
    expect(Math.max(...far), `gradient ${index}`).toBeLessThan(3e-6 * normOf(expected[index] ?? []) + 1e-7);
  });
}

describe('a step with perturbed weights', () => {
  const twoLayers = (): Sequential => {
    const generator = new Generator(3);
    const options = { device, generator };
    return new Sequential(new Linear(INPUTS, HIDDEN, options), new Tanh(), new Linear(HIDDEN, CLASSES, options));
  };
  const images = uniformFloats(M * INPUTS, 5, 0, 1);
  const inputs = (): [Tensor, Tensor] => [tensor(images, { device, shape: [M, INPUTS] }), tensor(LABELS, { device })];
  const shift = (_: unknown, x: Tensor): Tensor => x.add(0.125);

  it.each(MODES.flatMap((mode) => [0, 0.01, 0.7].map((gamma) => ({ mode, gamma }))))(
    'has the gradients of a float64 reference, and leaves the weights their bits: $mode, gamma $gamma',
    async ({ mode, gamma }) => {
      const model = twoLayers();
      const parameters = model.parameters();
      const perturbation = new WeightPerturbation(model, { gamma });
      const step = inMode(mode, (x, labels) =>
        adversarialStep({ model, parameters, objective: standardAT(), attack: shift, x, labels, perturbation }),
      );
      const before = await valuesOf(parameters);
      const x = Array.from(images, (value) => value + 0.125);
      const expected = gradientsOf(perturbed(before, gradientsOf(before, x), gamma), x);
      for (let time = 1; time <= 2; time++) {
        const { gradients } = step(...inputs());
        expectGradients(await valuesOf(gradients), expected);
        expect(await valuesOf(parameters)).toEqual(before);
        expect(perturbation.perturbed).toBe(false);
      }
      step.dispose();
    },
  );

  it('moves each weight by gamma times its norm, up the loss', async () => {
    const model = twoLayers();
    const before = await valuesOf(model.parameters());
    const shared = { model, parameters: model.parameters(), objective: plain(), attack: shift };
    const [x, labels] = inputs();
    const still = adversarialStep({ ...shared, x, labels });
    const perturbation = new WeightPerturbation(model, { gamma: 0.25 });
    const moved = adversarialStep({ ...shared, x, labels, perturbation });
    expect(await moved.total.item()).toBeGreaterThan(1.05 * (await still.total.item()));
    const weights = still.gradients.filter(({ rank }) => rank > 1);
    expect(perturbation.parameters).toEqual(model.parameters().filter(({ rank }) => rank > 1));
    perturbation.perturb(weights);
    const after = await valuesOf(model.parameters());
    perturbation.restore();
    after.forEach((values, index) => {
      const from = before[index] ?? [];
      const distance = normOf(values.map((value, i) => value - (from[i] ?? NaN)));
      expect(distance / normOf(from)).toBeCloseTo(index % 2 === 0 ? 0.25 : 0, 5);
    });
  });

  it('stays where the gradient is zero, and gives weights back after NaN', async () => {
    const model = twoLayers();
    const before = await valuesOf(model.parameters());
    const perturbation = new WeightPerturbation(model);
    perturbation.perturb(perturbation.parameters.map((parameter) => parameter.zerosLike()));
    expect(await valuesOf(model.parameters())).toEqual(before);
    perturbation.restore();
    perturbation.perturb(perturbation.parameters.map((parameter) => parameter.zerosLike().add(NaN)));
    expect((await valuesOf(perturbation.parameters)).flat().every(Number.isNaN)).toBe(true);
    perturbation.restore();
    expect(await valuesOf(model.parameters())).toEqual(before);
  });

  it('gives weights back, and its memory, where a step fails', async () => {
    const model = twoLayers();
    const before = await valuesOf(model.parameters());
    const perturbation = new WeightPerturbation(model);
    const [x, labels] = inputs();
    let calls = 0;
    const failing: Objective = {
      ...plain(),
      loss: (...call) => {
        if (++calls === 2) throw new Error('no loss');
        return plain().loss(...call);
      },
    };
    const { tensors } = device.memory();
    const take = () =>
      device.scope(() =>
        adversarialStep({
          model,
          parameters: model.parameters(),
          objective: failing,
          attack: shift,
          x,
          labels,
          perturbation,
        }),
      );
    expect(take).toThrow('no loss');
    expect(perturbation.perturbed).toBe(false);
    expect(device.memory().tensors).toBe(tensors);
    expect(await valuesOf(model.parameters())).toEqual(before);
  });

  it('refuses what cannot be', () => {
    const model = twoLayers();
    expect(() => new WeightPerturbation(model, { gamma: -1 })).toThrow(/WeightPerturbation: gamma is -1/);
    expect(() => new WeightPerturbation(model, { gamma: NaN })).toThrow(ArgumentError);
    expect(() => new WeightPerturbation(new BatchNorm2d(2, { device }))).toThrow(/no weight of two axes or more/);
    const perturbation = new WeightPerturbation(model);
    const gradients = perturbation.parameters.map((parameter) => parameter.onesLike());
    expect(() => perturbation.restore()).toThrow(/the weights are not moved/);
    expect(() => perturbation.perturb(gradients.slice(1))).toThrow(/1 gradients for 2 weights/);
    expect(() => perturbation.perturb(gradients.toReversed())).toThrow(ShapeError);
    expect(() => perturbation.perturb(gradients.toReversed())).toThrow(/gradient of 0.weight \[6, 4\] is f32 \[3, 6\]/);
    perturbation.perturb(gradients);
    expect(() => perturbation.perturb(gradients)).toThrow(/moved already; restore them first/);
    perturbation.restore();
  });
});

describe('a network with batch norm, its weights perturbed', () => {
  const SIDE = 4;
  const MMA = { steps: 1, searchSteps: 1 };
  const makeRun = (objective: Objective, gamma: number | undefined, mode: (typeof MODES)[number]) => {
    const generator = new Generator(4);
    const norm = new BatchNorm2d(1, { device });
    const model = new Sequential(
      norm,
      new Conv2d(1, 2, 3, { device, generator, padding: 1 }),
      new BatchNorm2d(2, { device }),
      new Flatten(),
      new Linear(2 * SIDE * SIDE, CLASSES, { device, generator }),
    );
    const parameters = model.parameters();
    const optimizer = new SGD(parameters, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 });
    const perturbation = gamma === undefined ? undefined : new WeightPerturbation(model, { gamma });
    const noise = new Generator(8);
    const learn = (x: Tensor, labels: Tensor): StepValues => {
      const crafting = {
        clipMin: 0,
        clipMax: 1,
        generator: noise,
        remembered: tensor(new Float32Array(M).fill(0.1), { device }),
      };
      const attack = (_: unknown, images: Tensor): Tensor => images.add(0.0625);
      const values = adversarialStep({ model, parameters, objective, attack, crafting, x, labels, perturbation });
      optimizer.step(values.gradients);
      return values;
    };
    const call = inMode(mode, learn);
    const step = (time: number): StepValues => {
      const x = tensor(uniformFloats(M * SIDE * SIDE, time, 0, 1), { device, shape: [M, 1, SIDE, SIDE] });
      return call(x, tensor(LABELS, { device }));
    };
    return { norm, model, step, dispose: () => call.dispose() };
  };
  const stateOf = async ({ model }: ReturnType<typeof makeRun>): Promise<number[][]> =>
    Promise.all([...model.stateDict().values()].map(async (each) => Array.from(await each.data())));

  it.each([
    ['plain', {}],
    ['standard-at', {}],
    ['trades', {}],
    ['mimae-at', {}],
    ['mma', MMA],
  ] as const)('is the same captured as eager: %s', async (name, options) => {
    const [eager, captured] = MODES.map((mode) => makeRun(objectiveNamed(name, options), 0.3, mode));
    if (!eager || !captured) throw new Error('two runs');
    for (let time = 1; time <= 3; time++) {
      const [a, b] = [eager.step(time), captured.step(time)];
      expect(await b.total.item()).toBe(await a.total.item());
      expect(await valuesOf(b.gradients)).toEqual(await valuesOf(a.gradients));
      expect(await stateOf(captured)).toEqual(await stateOf(eager));
    }
    for (const each of [eager, captured]) each.dispose();
  });

  it.each([
    ['standard-at', {}],
    ['trades', { passes: 'original' }],
    ['mma', MMA],
  ] as const)('moves running statistics as an ordinary step does: %s', async (name, options) => {
    const runs = [undefined, 0.3, 0].map((gamma) => makeRun(objectiveNamed(name, options), gamma, 'eager'));
    const seen = await Promise.all(
      runs.map(async (run) => {
        const { gradients } = run.step(1);
        const statistics = await valuesOf([run.norm.runningMean, run.norm.runningVar]);
        const counts = [...run.model.namedBuffers()].filter(([key]) => key.endsWith('num_batches_tracked'));
        const counted = await Promise.all(counts.map(async ([, count]) => count.item()));
        return { statistics, counted, gradients: await valuesOf(gradients), state: await stateOf(run) };
      }),
    );
    const [ordinary, moved, still] = seen;
    expect(moved?.counted).toEqual(ordinary?.counted);
    expect(moved?.gradients).not.toEqual(ordinary?.gradients);
    // mma's natural pass, which otherwise comes before its search, comes after it, with the weights moved.
    if (name !== 'mma') {
      // The first layer sees the same images, whatever the weights.
      expect(moved?.statistics).toEqual(ordinary?.statistics);
      // A move of length 0 is none.
      expect(still?.state).toEqual(ordinary?.state);
    }
    for (const run of runs) run.dispose();
  });
});
