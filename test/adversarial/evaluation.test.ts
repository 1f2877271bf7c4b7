import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Trainer,
  accuracyCurve,
  evaluate,
  fgsmAttack,
  pgdAttack,
  standardAT,
  type AccuracyCurve,
  type Attack,
  type EvaluateOptions,
  type EvaluatedBatch,
  type Evaluation,
} from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import { ArgumentError, ShapeError, softmax, tensor, type Device, type Tensor } from '../../engine/index.js';
import { saveStateDict } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
let net: SmallNet;
beforeAll(async () => {
  device = await testDevice();
  net = new SmallNet(device);
  const attack = { eps: 0.1, steps: 4 };
  const training = { batchSize: 16, steps: 25, lr: 0.05, momentum: 0.9 };
  const trainer = new Trainer({ model: net, dataset: smallImages(96), objective: standardAT(), attack, ...training });
  await trainer.run();
  trainer.dispose();
});
afterAll(() => {
  device.destroy();
});

const test = smallImages(50, 9);
const attacks = {
  fgsm: fgsmAttack({ eps: 0.25 }),
  pgd: pgdAttack({ eps: 0.25, stepSize: 0.05, steps: 8 }),
};
const run = (options: EvaluateOptions = {}): Promise<Evaluation> => evaluate(net, test, { attacks, ...options });

describe('evaluate', () => {
  it('measures each attack, the worst case and the joint distribution', async () => {
    const result = await run();
    const { labels } = test;
    expect(result).toMatchObject({ dataset: 'stripes', size: 50, classes: 3, exampleShape: [1, 6, 6], warnings: [] });
    expect(Object.keys(result.attacks)).toEqual(['fgsm', 'pgd']);
    const versions = [result.natural, ...Object.values(result.attacks)];
    for (const { accuracy, predictions } of versions) {
      const count = labels.filter((label, i) => label === predictions[i]).length;
      expect(accuracy).toMatchObject({ count, total: 50, value: count / 50 });
      expect(accuracy.low).toBeLessThan(accuracy.high);
    }
    const robust = labels.filter((label, i) => versions.every(({ predictions }) => predictions[i] === label));
    expect(result.worstCase.count).toBe(robust.length);
    expect(result.natural.accuracy.value).toBeGreaterThan(0.9);
    expect(result.attacks['pgd']?.accuracy.value).toBeLessThan(result.natural.accuracy.value);
    expect(result.attacks['pgd']?.settings).toMatchObject({ attack: 'pgd', eps: 0.25, stepSize: 0.05, steps: 8 });
    const { joint } = result.attacks['fgsm'] ?? {};
    const entries = joint?.distribution.flat() ?? [];
    expect(entries).toHaveLength(9);
    expect(entries.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 6);
    expect(joint?.maximum).toBeCloseTo(Math.log(3), 12);
    expect(joint?.mutualInformation).toBeGreaterThan(0);
    expect(joint?.mutualInformation).toBeLessThan(Math.log(3));
    expect(joint?.symmetrizedMutualInformation).toBeGreaterThan(0);
  });

  it('gives examples from every class in turn, natural and under each attack', async () => {
    const { examples, natural, attacks: results } = await run({ examples: 7, batchSize: 4 });
    expect(examples.map(({ label }) => label)).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect(examples.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const { index, label, ...example } of examples) {
      expect(label).toBe(test.labels[index]);
      expect(example.natural.prediction).toBe(natural.predictions[index]);
      const image = test.gather([index]).images;
      expect(example.natural.image).toEqual(image);
      for (const name of ['fgsm', 'pgd']) {
        const version = example.attacks[name];
        expect(version?.prediction).toBe(results[name]?.predictions[index]);
        const moved = version?.image.map((value, i) => Math.abs(value - (image[i] ?? NaN))) ?? [];
        expect(Math.max(...moved)).toBeLessThanOrEqual(0.25 + 1e-6);
        expect(Math.max(...moved)).toBeGreaterThan(0.1);
      }
    }
    expect((await run({ examples: 0 })).examples).toEqual([]);
  });

  it('gives each example the same result in any batch size and beside any other attack', async () => {
    const whole = await run({ batchSize: 50, seed: 3 });
    for (const batchSize of [3, 16, 100]) {
      const parts = await run({ batchSize, seed: 3 });
      expect(parts.natural.predictions).toEqual(whole.natural.predictions);
      for (const name of ['fgsm', 'pgd']) {
        expect(parts.attacks[name]?.predictions).toEqual(whole.attacks[name]?.predictions);
        for (const [a, row] of (whole.attacks[name]?.joint.distribution ?? []).entries()) {
          for (const [b, value] of row.entries()) {
            expect(parts.attacks[name]?.joint.distribution[a]?.[b]).toBeCloseTo(value, 5);
          }
        }
      }
    }
    const alone = await run({ attacks: { pgd: attacks.pgd }, seed: 3 });
    expect(alone.attacks['pgd']?.predictions).toEqual(whole.attacks['pgd']?.predictions);
    expect(alone.examples[0]?.attacks['pgd']?.image).toEqual(whole.examples[0]?.attacks['pgd']?.image);
  });

  it('leaves the model, its modes and the memory as they were', async () => {
    net.train();
    net.bn.eval();
    await run();
    const before = { state: await saveStateDict(net), memory: device.memory() };
    await run();
    expect(device.memory()).toEqual(before.memory);
    expect(await saveStateDict(net)).toEqual(before.state);
    expect([net.training, net.bn.training, net.drop.training]).toEqual([true, false, true]);
  });

  it("takes functions and attacks of one's own, reads back once for each batch of each, and reports how far it is", async () => {
    const darken: Attack = {
      settings: { attack: 'darken' },
      warnings: ['it is not much of an attack'],
      run: (_model, x: Tensor) => x.mul(0.5),
    };
    const seen: number[] = [];
    const model = (x: Tensor): Tensor => net.eval().forward(x);
    const before = device.counters.readbacks;
    const result = await evaluate(model, test, {
      device,
      attacks: { darken },
      batchSize: 20,
      onProgress: ({ done, total, secondsLeft }) => {
        expect(total).toBe(100);
        expect(secondsLeft).toBeGreaterThanOrEqual(0);
        seen.push(done);
      },
    });
    expect(seen).toEqual([20, 40, 50, 70, 90, 100]);
    expect(device.counters.readbacks - before).toBe(6);
    expect(result.warnings).toEqual(['darken: it is not much of an attack']);
    expect(result.attacks['darken']?.settings).toEqual({ attack: 'darken' });
  });

  it('attacks on request only what is still robust, with the same worst case', async () => {
    const [all, left] = [await run({ seed: 3 }), await run({ seed: 3, attackOn: 'robust', batchSize: 7 })];
    expect(left.worstCase).toEqual(all.worstCase);
    expect(left.attackOn).toBe('robust');
    const rightBefore = [all.natural, ...Object.values(all.attacks)].map(({ predictions }) => predictions);
    let robust = Array.from(test.labels.keys());
    for (const [number, { attacked, predictions, accuracy, perturbation }] of Object.values(left.attacks).entries()) {
      robust = robust.filter((i) => rightBefore[number]?.[i] === test.labels[i]);
      expect(attacked).toBe(robust.length);
      for (const i of test.labels.keys()) {
        // The same random numbers, whatever the batch.
        expect(predictions[i]).toBe(robust.includes(i) ? rightBefore[number + 1]?.[i] : -1);
        if (!robust.includes(i)) expect(perturbation.linf[i]).toBe(0);
      }
      const rest = robust.filter((i) => rightBefore[number + 1]?.[i] === test.labels[i]);
      expect(accuracy).toMatchObject({ count: rest.length, total: 50 });
    }
  });

  it('counts what each class is taken for, and measures how far every image moved', async () => {
    const { natural, attacks: results } = await run();
    const { labels } = test;
    for (const { predictions, confusion, classAccuracies } of [natural, ...Object.values(results)]) {
      for (const label of [0, 1, 2]) {
        const of = Array.from(labels.keys()).filter((i) => labels[i] === label);
        for (const given of [0, 1, 2]) {
          expect(confusion[label]?.[given]).toBe(of.filter((i) => predictions[i] === given).length);
        }
        expect(classAccuracies[label]).toMatchObject({ count: confusion[label]?.[label], total: of.length });
      }
    }
    const { perturbation, worst } = results['fgsm'] ?? {};
    for (const i of labels.keys()) {
      const [linf, l2, l1, l0] = (['linf', 'l2', 'l1', 'l0'] as const).map((norm) => perturbation?.[norm][i] ?? NaN);
      if (linf === undefined || l2 === undefined || l1 === undefined || l0 === undefined) throw new Error('four sizes');
      expect(linf).toBeLessThanOrEqual(0.25 + 1e-6);
      expect(l2).toBeLessThanOrEqual(linf * Math.sqrt(l0) + 1e-5);
      expect(l1).toBeLessThanOrEqual(linf * l0 + 1e-5);
      expect(l1).toBeGreaterThanOrEqual(l2 - 1e-5);
    }
    const fooled = Array.from(labels.keys()).filter(
      (i) => natural.predictions[i] === labels[i] && results['fgsm']?.predictions[i] !== labels[i],
    );
    expect(fooled.length).toBeGreaterThan(0);
    expect(worst).toHaveLength(Math.min(10, fooled.length));
    const margins = worst?.map(({ margin }) => margin) ?? [];
    expect(margins).toEqual([...margins].sort((a, b) => b - a));
    for (const { index, label, prediction, natural: image, adversarial } of worst ?? []) {
      expect(fooled).toContain(index);
      expect(prediction).toBe(results['fgsm']?.predictions[index]);
      expect(label).toBe(labels[index]);
      const most = Math.max(...adversarial.map((value, i) => Math.abs(value - (image[i] ?? NaN))));
      expect(most).toBeCloseTo(perturbation?.linf[index] ?? NaN, 6);
    }
    // The same few, in whatever batches.
    const apart = await run({ batchSize: 7, worst: 2 });
    expect(apart.attacks['fgsm']?.worst.map(({ index }) => index)).toEqual(
      worst?.slice(0, 2).map(({ index }) => index),
    );
    expect(apart.attacks['fgsm']?.worst.every(({ adversarial }) => adversarial.length === 36)).toBe(true);
  });

  it('can be taken up again where it was interrupted, with the same result', async () => {
    const whole = await run({ batchSize: 20, seed: 3 });
    const done: EvaluatedBatch[] = [];
    const controller = new AbortController();
    const interrupted = run({
      batchSize: 20,
      seed: 3,
      signal: controller.signal,
      onBatch: (batch) => {
        // As a file would keep it.
        done.push(JSON.parse(JSON.stringify(batch)) as EvaluatedBatch);
        if (done.length === 5) controller.abort(new Error('enough'));
      },
    });
    await expect(interrupted).rejects.toThrow('enough');
    const measured: string[] = [];
    const resumed = await run({
      batchSize: 20,
      seed: 3,
      done,
      onBatch: ({ version, indices }) => {
        measured.push(`${version} ${indices[0]}`);
      },
    });
    expect(measured).toEqual(['fgsm 40', 'pgd 0', 'pgd 20', 'pgd 40']);
    expect({ ...resumed, seconds: 0 }).toEqual({ ...whole, seconds: 0 });
  });

  it('runs attacks from the host, and lets an attack give the images themselves', async () => {
    const same: Attack = { settings: { attack: 'same' }, warnings: [], run: (_model, x) => x };
    const host: Attack = {
      ...attacks.pgd,
      hosted: true,
      run: async (...call) => Promise.resolve(attacks.pgd.run(...call)),
    };
    const before = device.memory().live;
    const result = await run({ attacks: { same, host, pgd: attacks.pgd } });
    expect(result.attacks['same']?.predictions).toEqual(result.natural.predictions);
    expect(result.attacks['same']?.perturbation.l0).toEqual(new Array(50).fill(0));
    expect(result.attacks['host']?.predictions).toEqual(result.attacks['pgd']?.predictions);
    expect(device.memory().live).toBe(before);
  });

  it('takes no attack that leaves its ball or the range', async () => {
    const leaving = (settings: Attack['settings'], by: number): Attack => ({
      settings: { attack: 'leaving', ...settings },
      warnings: [],
      run: (_model, x: Tensor) => x.add(by),
    });
    const outcome = (attack: Attack): Promise<Evaluation> => run({ attacks: { leaving: attack } });
    await expect(outcome(leaving({}, 0.9))).rejects.toThrow(/leaving gives pixels of 1\.\d+; they have to stay within/);
    await expect(outcome(leaving({}, -2))).rejects.toThrow(/gives pixels of -/);
    for (const [norm, moved] of [
      ['linf', 0.05],
      ['l2', 0.3],
      ['l1', 1.8],
    ] as const) {
      await expect(outcome(leaving({ norm, eps: 0.99 * moved }, 0.05))).rejects.toThrow(
        /moves an image by .* more than its eps/,
      );
      expect((await outcome(leaving({ norm, eps: moved }, 0.05))).size).toBe(50);
    }
  });

  it('has a word about probabilities in place of logits', async () => {
    const probabilities = (x: Tensor): Tensor => softmax(net.eval().forward(x), 1);
    const { warnings } = await evaluate(probabilities, test, { device });
    expect(warnings).toEqual([expect.stringMatching(/gives probabilities.*take the softmax off/)]);
  });

  it('stops at a signal', async () => {
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error('enough'));
    await expect(run({ batchSize: 10, signal: controller.signal, onProgress })).rejects.toThrow('enough');
  });

  it.each<[string, EvaluateOptions, RegExp]>([
    ['a batch size of 0', { batchSize: 0 }, /batchSize is 0; expected an integer from 1 up/],
    ['half an example', { examples: 0.5 }, /examples is 0.5/],
    ['a negative number of worst cases', { worst: -1 }, /worst is -1/],
    ['attacks on something else', { attackOn: 'some' as 'all' }, /attackOn is 'some'; expected all or robust/],
    [
      'an attack called natural',
      { attacks: { natural: attacks.fgsm } },
      /'natural' names the results without an attack/,
    ],
  ])('%s is refused', async (_, options, message) => {
    await expect(run(options)).rejects.toThrow(ArgumentError);
    await expect(run(options)).rejects.toThrow(message);
  });

  it('refuses what it cannot evaluate', async () => {
    await expect(evaluate((x) => x, test)).rejects.toThrow(/say where it lives/);
    const empty = new Dataset({
      name: 'none',
      images: new Float32Array(),
      labels: [],
      shape: [0, 1, 6, 6],
      classes: 3,
    });
    await expect(evaluate(net, empty)).rejects.toThrow(/none has no examples/);
    const narrow = (x: Tensor): Tensor =>
      net
        .eval()
        .forward(x)
        .slice([null, { end: 2 }]);
    await expect(evaluate(narrow, test, { device })).rejects.toThrow(ShapeError);
    const broken = new SmallNet(device);
    broken.fc.weight.copyFrom(tensor(new Float32Array(108).fill(NaN), { device, shape: [3, 36] }));
    await expect(evaluate(broken, test)).rejects.toThrow(/logits that are NaN; its weights are not usable/);
    broken.dispose();
  });
});

describe('accuracyCurve', () => {
  it('has the natural images at eps 0, for which there is no attack to make', async () => {
    const attackAt = (eps: number): Attack => pgdAttack({ eps, stepSize: eps / 2, steps: 4 });
    const curve = (values: number[]): Promise<AccuracyCurve> =>
      accuracyCurve(net, test, { setting: 'eps', values, attackAt });
    const { natural, attacks: results } = await run({ attacks: { wide: attackAt(0.4) } });
    const [none, wide] = [natural.accuracy, results['wide']?.accuracy];
    expect((await curve([0, 0.4])).points).toEqual([
      { value: 0, accuracy: none },
      { value: 0.4, accuracy: wide },
    ]);
    expect(wide?.count).toBeLessThan(none.count);
    expect((await curve([0])).points).toEqual([{ value: 0, accuracy: none }]);
  });

  it('asks for the attack at 0 of any other setting', async () => {
    const attackAt = (steps: number): Attack => pgdAttack({ eps: 0.1, stepSize: 0.05, steps });
    await expect(accuracyCurve(net, test, { setting: 'steps', values: [0], attackAt })).rejects.toThrow(/steps is 0/);
  });
});
