import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Trainer,
  adversarialStep,
  mma,
  objectiveNamed,
  searchMargins,
  softLogitMargin,
  standardAT,
  type MmaOptions,
  type Objective,
  type StepRecord,
  type TrainerOptions,
  type TrainingCheckpoint,
} from '../../adversarial/index.js';
import { Loader } from '../../data/loader.js';
import { ArgumentError, Generator, ShapeError, noGrad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { add } from '../../engine/ops/elementwise.js';
import { Flatten, Linear, Sequential, saveStateDict, type SafetensorsTensor } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const saved = (data: Float32Array): SafetensorsTensor => ({ dtype: 'F32', shape: [data.length], data });

/** ln sum_{k != y} exp(z_k) - z_y. */
function marginOf(logits: readonly number[], label: number): number {
  const others = logits.filter((_, k) => k !== label);
  const top = Math.max(...others);
  return top + Math.log(others.reduce((sum, z) => sum + Math.exp(z - top), 0)) - (logits[label] ?? NaN);
}

const rowsOf = (values: Float32Array, width: number): number[][] =>
  Array.from({ length: values.length / width }, (_, i) => [...values.slice(i * width, (i + 1) * width)]);

describe('the soft logit margin', () => {
  it('is its formula, for logits of any size', async () => {
    await device.scope(async () => {
      const values = Float32Array.of(...uniformFloats(12, 1, -3, 3), 1000, -1000, 500, 400, -2e4, -2e4, -2e4, 1e4);
      const logits = tensor(values, { device, shape: [5, 4] });
      const labels = Int32Array.of(0, 3, 2, 1, 3);
      const margins = await softLogitMargin(logits, tensor(labels, { device })).floats();
      for (const [i, row] of rowsOf(values, 4).entries()) {
        const expected = marginOf(row, labels[i] ?? 0);
        expect(Math.abs((margins[i] ?? NaN) - expected)).toBeLessThan(1e-6 * Math.max(10, Math.abs(expected)));
      }
    });
  });

  it('is refused without a rival, or for shapes that do not fit', () => {
    device.scope(() => {
      const labels = tensor(Int32Array.of(0, 0), { device });
      expect(() => softLogitMargin(tensor([1, 2], { device, shape: [2, 1] }), labels)).toThrow(ArgumentError);
      expect(() => softLogitMargin(tensor([1, 2], { device, shape: [1, 2] }), labels)).toThrow(ShapeError);
    });
  });
});

const [M, D] = [10, 6];
const MAX = 0.3;

/** A linear model of two classes in float64: the difference of its logits is w x + b, for class 0 minus class 1. */
function linear(bias: number): { model: Sequential; w: number[]; b: number } {
  const layer = new Linear(D, 2, { device, generator: new Generator(4) });
  const weights = uniformFloats(2 * D, 6, -1, 1);
  layer.weight.copyFrom(tensor(weights, { device, shape: [2, D] }));
  layer.bias?.copyFrom(tensor(Float32Array.of(bias, 0), { device }));
  const w = Array.from({ length: D }, (_, k) => (weights[k] ?? 0) - (weights[D + k] ?? 0));
  return { model: new Sequential(new Flatten(), layer), w, b: bias };
}

describe('the margins of a linear model', () => {
  const search = async (low: number, high: number, bias: number, clip: { clipMin?: number; clipMax?: number } = {}) => {
    const { model, w, b } = linear(bias);
    const x = uniformFloats(M * D, 9, low, high);
    // Every sample has the class that the model gives it: the margin is how far it is to the other.
    const signed = rowsOf(x, D).map((row) => row.reduce((sum, value, k) => sum + value * (w[k] ?? 0), b));
    const labels = Int32Array.from(signed, (value) => (value > 0 ? 0 : 1));
    const eps = uniformFloats(M, 3, 0.02, MAX);
    const [margins, images] = await device.scope(async () => {
      const found = searchMargins(model, tensor(x, { device, shape: [M, 1, 2, 3] }), tensor(labels, { device }), {
        eps: tensor(eps, { device }),
        maxEps: MAX,
        steps: 4,
        searchSteps: 10,
        generator: new Generator(1),
        ...clip,
      });
      return [await found.margins.floats(), await found.images.floats()];
    });
    model.dispose();
    return { x: rowsOf(x, D), images: rowsOf(images, D), margins: [...margins], eps, signed, w, b };
  };
  const NORM = (w: readonly number[]): number => w.reduce((sum, value) => sum + Math.abs(value), 0);
  /** The interval left by ten halvings, the first of which looks at eps. */
  const LEFT = MAX / 2 ** 9;

  it('are |w x + b| / ||w||_1, as far as the search goes', async () => {
    const { x, images, margins, signed, w, b } = await search(0.3, 0.7, -0.15);
    const exact = signed.map((value) => Math.min(MAX, Math.abs(value) / NORM(w)));
    expect(Math.max(...exact)).toBeGreaterThan(3 * Math.min(...exact));
    for (const [i, margin] of margins.entries()) {
      expect(Math.abs(margin - (exact[i] ?? NaN))).toBeLessThan(LEFT);
      // The image is at the boundary, and each element has moved by the margin, towards the other class.
      const value = (images[i] ?? []).reduce((sum, pixel, k) => sum + pixel * (w[k] ?? 0), b);
      expect(Math.abs(value)).toBeLessThan(LEFT * NORM(w));
      for (const [k, weight] of w.entries()) {
        const towards = -Math.sign(weight) * Math.sign(signed[i] ?? NaN);
        expect((images[i]?.[k] ?? NaN) - (x[i]?.[k] ?? NaN)).toBeCloseTo(towards * margin, 5);
      }
    }
  });

  it('end where the search ends, for a boundary that is further away', async () => {
    const { margins, signed, w } = await search(0.3, 0.7, 40);
    expect(Math.min(...signed) / NORM(w)).toBeGreaterThan(MAX);
    for (const margin of margins) expect(Math.abs(margin - MAX)).toBeLessThan(LEFT);
  });

  it('take the border of the data into account, which images keep to', async () => {
    const clip = { clipMin: 0.4, clipMax: 0.6 };
    const { x, images, margins, eps, signed, w, b } = await search(0.42, 0.58, -0.15, clip);
    const clamped = (value: number): number => Math.min(0.6, Math.max(0.4, value));
    let clipped = 0;
    for (const [i, margin] of margins.entries()) {
      const side = Math.sign(signed[i] ?? NaN);
      const pixels = x[i] ?? [];
      const radius = eps[i] ?? NaN;
      // The descent ends in the corner of ball and range: where the range cuts the ball off, the direction is shorter.
      const unit = pixels.map((pixel, k) => (clamped(pixel - side * Math.sign(w[k] ?? 0) * radius) - pixel) / radius);
      if (unit.some((length) => Math.abs(length) < 0.99)) clipped++;
      const imageAt = (t: number): number[] => pixels.map((pixel, k) => clamped(pixel + t * (unit[k] ?? 0)));
      const valueAt = (t: number): number => imageAt(t).reduce((sum, pixel, k) => sum + pixel * (w[k] ?? 0), b);
      let [low, high] = [0, MAX];
      for (let halved = 0; halved < 60; halved++) {
        const middle = (low + high) / 2;
        if (side * valueAt(middle) > 0) low = middle;
        else high = middle;
      }
      expect(Math.abs(margin - low)).toBeLessThan(LEFT);
      for (const [k, pixel] of imageAt(margin).entries()) expect(images[i]?.[k]).toBeCloseTo(pixel, 5);
    }
    expect(clipped).toBeGreaterThan(3);
  });
});

const dataset = smallImages(40);

interface Batch {
  readonly x: Tensor;
  readonly labels: Tensor;
}

function batchOf(size: number): Batch {
  const { images, labels, shape } = new Loader(dataset, { batchSize: size, seed: 2 }).batch(0, 0);
  return { x: tensor(images, { device, shape }), labels: tensor(labels, { device }) };
}

/** A network that recognises most of the images. */
async function trained(): Promise<SmallNet> {
  const net = new SmallNet(device, { seed: 3 });
  const attack = { eps: 0.05, steps: 1 };
  const trainer = new Trainer({
    model: net,
    dataset,
    objective: standardAT(),
    attack,
    batchSize: 20,
    steps: 16,
    lr: 0.05,
  });
  await trainer.run();
  trainer.dispose();
  return net;
}

describe('the search', () => {
  it('ends at the boundary of a network, looks at some samples only, and keeps to evaluation mode where it is in it', async () => {
    const net = await trained();
    net.eval();
    const before = await saveStateDict(net);
    await device.scope(async () => {
      const { x, labels } = batchOf(20);
      const value = await noGrad(device, () => softLogitMargin(net.forward(x), labels)).floats();
      const among = softLogitMargin(net.forward(x), labels).lt(-0.5);
      const eps = tensor(new Float32Array(20).fill(0.2), { device });
      const { images, margins } = searchMargins(net, x, labels, { eps, maxEps: 0.5, steps: 5, searchSteps: 16, among });
      const [distances, found] = [await margins.floats(), rowsOf(await images.floats(), 36)];
      const ends = await softLogitMargin(net.forward(images), labels).floats();
      const natural = rowsOf(await x.floats(), 36);
      let [inside, left] = [0, 0];
      for (const [i, distance] of distances.entries()) {
        const moved = Math.max(...(found[i] ?? []).map((pixel, k) => Math.abs(pixel - (natural[i]?.[k] ?? NaN))));
        expect(moved).toBeLessThan(distance + 1e-6);
        if (!((value[i] ?? 0) < -0.5)) {
          left++;
          expect([distance, moved]).toEqual([0, 0]);
        } else if (distance < 0.49) {
          inside++;
          expect(Math.abs(ends[i] ?? NaN)).toBeLessThan(0.01);
        }
      }
      expect(inside).toBeGreaterThan(3);
      expect(left).toBeGreaterThan(0);
    });
    expect(await saveStateDict(net)).toEqual(before);
    net.dispose();
  });

  it('refuses what it cannot search with', () => {
    device.scope(() => {
      const { x, labels } = batchOf(4);
      const usual = { eps: tensor([1, 1, 1, 1], { device }), maxEps: 1, steps: 1, searchSteps: 1 };
      const model = (images: Tensor): Tensor => images;
      const wrong = [
        [{ maxEps: 0 }, ArgumentError, /searchMargins: maxEps is 0/],
        [{ steps: 0 }, ArgumentError, /steps is 0; expected an integer from 1 up/],
        [{ searchSteps: 1.5 }, ArgumentError, /searchSteps is 1.5/],
        [
          { eps: tensor([1], { device }) },
          ShapeError,
          /eps has shape \[1\]; expected one value for each sample, \[4\]/,
        ],
      ] as const;
      for (const [change, type, message] of wrong) {
        expect(() => searchMargins(model, x, labels, { ...usual, ...change })).toThrow(type);
        expect(() => searchMargins(model, x, labels, { ...usual, ...change })).toThrow(message);
      }
    });
  });
});

describe('the loss', () => {
  it('is that of the recognised below dMax, of the wrong ones, and of the natural images', async () => {
    await device.scope(async () => {
      const [natural, mixed] = [uniformFloats(15, 1, -2, 2), uniformFloats(15, 2, -2, 2)];
      // Samples 0, 1 and 2 are recognised, the last of them with a margin beyond.
      for (const at of [0, 4, 8]) natural[at] = 4;
      for (const at of [9, 13]) natural[at] = -4;
      const [labels, margins] = [Int32Array.of(0, 1, 2, 0, 1), Float32Array.of(0.1, 0.29, 0.31, 0, 0)];
      const [a, b] = [natural, mixed].map((each) => tensor(each, { device, shape: [5, 3] }));
      const { total, terms } = mma({ dMax: 0.3, cleanWeight: 0.25 }).loss(
        { natural: a, adversarial: b },
        tensor(labels, { device }),
        tensor(margins, { device }),
      );
      const ce = (of: Float32Array): number[] =>
        rowsOf(of, 3).map(
          (row, i) => Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - (row[labels[i] ?? 0] ?? NaN),
        );
      const [clean, rows] = [ce(natural), ce(mixed)];
      const part = (from: number, to: number): number =>
        rows.slice(from, to).reduce((sum, value) => sum + value, 0) / 5;
      const expected = {
        ce: clean.reduce((sum, value) => sum + value, 0) / 5,
        marginLoss: part(0, 2),
        wrongLoss: part(3, 5),
        margin: 0.14,
        belowMax: 0.4,
      };
      expect(Object.keys(terms)).toEqual(Object.keys(expected));
      for (const [name, value] of Object.entries(expected))
        expect(await terms[name]?.item(), name).toBeCloseTo(value, 5);
      const whole = 0.25 * expected.ce + 0.75 * (expected.marginLoss + expected.wrongLoss);
      expect(await total.item()).toBeCloseTo(whole, 5);
    });
  });

  it('is of the batch in which images at the boundary replace the recognised ones, and only those', async () => {
    const net = await trained();
    net.drop.eval();
    await device.scope(async () => {
      const { x, labels: given } = batchOf(20);
      // The first five have another's label.
      const named = (await given.data()).map((label, i) => (i < 5 ? (label + 1) % 3 : label));
      const labels = tensor(Int32Array.from(named), { device });
      const objective = mma({ dMax: 0.4, steps: 3 });
      const remembered = tensor(new Float32Array(20).fill(0.1), { device });
      const values = adversarialStep({
        ...{ model: net, parameters: net.parameters(), objective, x, labels, crafting: { remembered } },
        attack: () => {
          throw new Error('the attack of the run has no part in it');
        },
      });
      const [natural, made] = [await x.floats(), await values.adversarialImages?.floats()].map((each) =>
        rowsOf(each ?? new Float32Array(), 36),
      );
      const logits = rowsOf((await values.naturalLogits?.floats()) ?? new Float32Array(), 3);
      const [classes, margins] = [named, await values.remembered?.floats()];
      let wrong = 0;
      for (const [i, row] of logits.entries()) {
        const recognised = marginOf(row, classes[i] ?? 0) < 0;
        if (!recognised) wrong++;
        expect((margins?.[i] ?? NaN) > 0).toBe(recognised);
        if (!recognised) expect(made?.[i]).toEqual(natural?.[i]);
        else expect(made?.[i]).not.toEqual(natural?.[i]);
      }
      expect(wrong).toBeGreaterThan(0);
      expect(wrong).toBeLessThan(20);
      expect(await values.terms['ce']?.item()).toBeCloseTo(
        await crossEntropy(tensor(logits.flat(), { device, shape: [20, 3] }), labels).item(),
        5,
      );
    });
    net.dispose();
  });
});

describe('training by margins', () => {
  const make = (net: SmallNet, options: MmaOptions = {}, changes: Partial<TrainerOptions> = {}): Trainer =>
    new Trainer({
      ...{ model: net, dataset, batchSize: 16, steps: 6, lr: 0.05, momentum: 0.9, seed: 4 },
      objective: mma({ dMax: 0.3, minEps: 0.05, steps: 3, ...options }),
      ...changes,
    });

  it('needs no attack of the run, logs its terms, and raises the margins', async () => {
    const net = new SmallNet(device, { seed: 3 });
    const trainer = make(net, {}, { steps: 45 });
    const records: StepRecord[] = [];
    const { warnings } = await trainer.run({ onProgress: (progress) => void records.push(...progress.records) });
    expect(warnings).toEqual([]);
    const names = [
      'total',
      'ce',
      'marginLoss',
      'wrongLoss',
      'margin',
      'belowMax',
      'naturalAccuracy',
      'adversarialAccuracy',
    ];
    for (const { metrics, eps } of records) expect([Object.keys(metrics), eps]).toEqual([names, 0]);
    const mean = (of: readonly StepRecord[], name: string): number =>
      of.reduce((sum, { metrics }) => sum + (metrics[name] ?? NaN), 0) / of.length;
    expect(mean(records.slice(-9), 'margin')).toBeGreaterThan(1.2 * mean(records.slice(0, 9), 'margin'));
    trainer.dispose();
    net.dispose();
  });

  it('begins with minEps for all, and then has the margin of each example that it saw, 0 for those it did not recognise', async () => {
    const net = new SmallNet(device, { seed: 3 });
    const trainer = make(net);
    const initial = Math.fround(0.05);
    expect(await trainer.memory?.values()).toEqual(new Float32Array(40).fill(initial));
    await trainer.run({ until: 1 });
    const { indices } = new Loader(dataset, { batchSize: 16, seed: 4 }).batch(0, 0);
    const after = (await trainer.memory?.values()) ?? new Float32Array();
    const seen = [...indices].map((index) => after[index] ?? NaN);
    expect(seen.filter((margin) => margin === initial)).toEqual([]);
    expect(seen.filter((margin) => margin === 0).length).toBeGreaterThan(0);
    expect(seen.filter((margin) => margin > 0 && margin <= 0.315).length).toBeGreaterThan(0);
    const others = after.filter((_, index) => !indices.includes(index));
    expect(others).toEqual(new Float32Array(24).fill(initial));
    trainer.dispose();
    net.dispose();
  });

  it('remembers across epochs, each example its own, in batches of every size', async () => {
    const net = new SmallNet(device, { seed: 3 });
    const counting: Objective = {
      ...standardAT(),
      remembers: { initial: 0.5 },
      craft: ({ x, remembered }) => ({ images: x, ...(remembered && { remembered: add(remembered, 1) }) }),
    };
    const trainer = make(net, {}, { objective: counting, steps: 9 });
    await trainer.run({ until: 4 });
    // One epoch of 16, 16 and 8, and the first batch of the next.
    const second = new Loader(dataset, { batchSize: 16, seed: 4 }).batch(1, 0).indices;
    const twice = await trainer.memory?.values();
    expect(twice).toEqual(Float32Array.from({ length: 40 }, (_, index) => (second.includes(index) ? 2.5 : 1.5)));
    await trainer.run();
    expect(await trainer.memory?.values()).toEqual(new Float32Array(40).fill(3.5));
    trainer.dispose();
    net.dispose();
  });

  it('begins the next search with what it remembers, minEps at least', async () => {
    const net = await trained();
    const made = async (margin: number): Promise<number[]> =>
      device.scope(async () => {
        const { x, labels } = batchOf(20);
        const logits = { natural: noGrad(device, () => net.eval().forward(x)) };
        const remembered = tensor(new Float32Array(20).fill(margin), { device });
        const call = { model: net, x, labels, logits, remembered, generator: new Generator(1) };
        const found = mma({ dMax: 0.3, minEps: 0.05, steps: 2 }).craft?.(call);
        return [...((await found?.images.floats()) ?? [])];
      });
    const usual = await made(0.05);
    expect(await made(0)).toEqual(usual);
    expect(await made(0.05)).toEqual(usual);
    expect(await made(0.25)).not.toEqual(usual);
    net.dispose();
  });

  it('bisects in training mode: running statistics move by the natural, the mixed and each of its passes', async () => {
    const net = new SmallNet(device, { seed: 3 });
    const trainer = make(net, { searchSteps: 7 }, { steps: 2 });
    await trainer.run();
    expect((await saveStateDict(net))['bn.num_batches_tracked']?.data).toEqual(Int32Array.of(2 * (2 + 7)));
    trainer.dispose();
    net.dispose();
  });

  it('that is taken up again with its margins goes on with the bits it would have had', async () => {
    const run = async (until: readonly number[], withMargins = true): Promise<unknown> => {
      const net = new SmallNet(device, { seed: 3 });
      let checkpoint: TrainingCheckpoint | undefined;
      for (const end of until) {
        const trainer = make(net);
        if (checkpoint) {
          const margins = Object.entries(checkpoint.tensors).filter(
            ([name]) => withMargins || name !== 'memory.values',
          );
          const initial = { 'memory.values': saved(new Float32Array(40).fill(0.05)), ...Object.fromEntries(margins) };
          trainer.restore({ ...checkpoint, tensors: initial });
        }
        await trainer.run({ until: end });
        checkpoint = await trainer.checkpoint();
        trainer.dispose();
      }
      net.dispose();
      return checkpoint;
    };
    const whole = await run([6]);
    expect(await run([4, 6])).toEqual(whole);
    expect(await run([4, 6], false)).not.toEqual(whole);
  });

  it('is one submit a step, and the same memory after each', async () => {
    const net = new SmallNet(device, { seed: 3 });
    const trainer = make(net, {}, { steps: 20, batchSize: 20 });
    await trainer.run({ until: 3 });
    const before = { submits: device.counters.submits, memory: device.memory() };
    await trainer.run({ until: 6 });
    expect(device.counters.submits - before.submits).toBe(3 + 1);
    expect(device.memory()).toEqual(before.memory);
    trainer.dispose();
    net.dispose();
  });
});

describe('what is refused', () => {
  it.each<[MmaOptions, RegExp]>([
    [{ dMax: 0 }, /mma: dMax is 0; expected a finite number above 0/],
    [{ minEps: -1 }, /mma: minEps is -1/],
    [{ minEps: 0.5 }, /mma: minEps is 0.5, more than dMax 0.45/],
    [{ steps: 0 }, /mma: steps is 0; expected an integer from 1 up/],
    [{ searchSteps: 2.5 }, /mma: searchSteps is 2.5/],
    [{ cleanWeight: 2 }, /mma: cleanWeight is 2; expected a part, 0 to 1/],
  ])('%o', (options, message) => {
    expect(() => objectiveNamed('mma', { ...options })).toThrow(ArgumentError);
    expect(() => mma(options)).toThrow(message);
  });

  it('margins that are not one to each example, and a step without margins', () => {
    const net = new SmallNet(device);
    const trainer = new Trainer({ model: net, dataset, objective: mma(), batchSize: 8, steps: 1, lr: 0.1 });
    expect(() => trainer.memory?.loadStateDict({ values: saved(new Float32Array(3)) })).toThrow(
      /values has shape \[3\]/,
    );
    trainer.dispose();
    net.dispose();
    device.scope(() => {
      const logits = tensor([1, 2], { device, shape: [1, 2] });
      const labels = tensor(Int32Array.of(0), { device });
      expect(() => mma().loss({ natural: logits, adversarial: logits }, labels)).toThrow(
        /mma: needs the samples' margins/,
      );
    });
  });
});
