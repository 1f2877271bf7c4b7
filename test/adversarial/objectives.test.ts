import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  OBJECTIVES,
  adversarialStep,
  alp,
  alpLoss,
  boostedCrossEntropy,
  boostedCrossEntropyAtUniform,
  crossEntropyAtUniform,
  inEvalMode,
  klDivergence,
  l1Pairing,
  mart,
  martLoss,
  mimaeAT,
  mimaeLoss,
  mmaFixed,
  mmaFixedLoss,
  msePairing,
  objectiveNamed,
  pgd,
  plain,
  standardAT,
  trades,
  tradesLoss,
  type MimaeATOptions,
  type Objective,
} from '../../adversarial/index.js';
import { ArgumentError, Generator, noGrad, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { mutualInformation } from '../../engine/ops/mutual-information.js';
import { BatchNorm2d, Dropout, Flatten, Linear, Sequential } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const [M, CLASSES] = [6, 5];
const batch = (): [Tensor, Tensor, Tensor] => [
  tensor(uniformFloats(M * CLASSES, 1, -3, 3), { device, shape: [M, CLASSES] }),
  tensor(uniformFloats(M * CLASSES, 2, -3, 3), { device, shape: [M, CLASSES] }),
  tensor(
    Int32Array.from({ length: M }, (_, i) => i % CLASSES),
    { device },
  ),
];

/** The objectives with a plain cross-entropy. */
const SMOOTHED = ['plain', 'standard-at', 'fast-at', 'alp', 'trades'];

/** -sum_k t_k ln softmax(z)_k with t = (1 - s) onehot + s / C, averaged over the rows, by its definition. */
function smoothedCrossEntropy(logits: ArrayLike<number>, labels: ArrayLike<number>, s: number): number {
  let total = 0;
  for (let row = 0; row < M; row++) {
    const z = Array.from({ length: CLASSES }, (_, k) => logits[row * CLASSES + k] ?? NaN);
    const normalizer = Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0));
    z.forEach((value, k) => (total -= ((k === labels[row] ? 1 - s : 0) + s / CLASSES) * (value - normalizer)));
  }
  return total / M;
}

describe('objectives', () => {
  it.each(SMOOTHED)('%s smooths the labels of its cross-entropy, and of nothing else', async (name) => {
    await device.scope(async () => {
      const [natural, adversarial, labels] = batch();
      const z = await (['plain', 'trades'].includes(name) ? natural : adversarial).floats();
      const rows = await labels.data();
      const hard = objectiveNamed(name).loss({ natural, adversarial }, labels);
      for (const labelSmoothing of [0.1, 0.6]) {
        const { total, terms } = objectiveNamed(name, { labelSmoothing }).loss({ natural, adversarial }, labels);
        const { ce, ...others } = terms;
        const expected = smoothedCrossEntropy(z, rows, labelSmoothing);
        expect(Math.abs(((await ce?.item()) ?? NaN) - expected)).toBeLessThan(4e-6 * expected);
        const moved = expected - smoothedCrossEntropy(z, rows, 0);
        expect((await total.item()) - (await hard.total.item())).toBeCloseTo(moved, 4);
        for (const [term, value] of Object.entries(others)) {
          expect(await value.item()).toBe(await hard.terms[term]?.item());
        }
      }
    });
  });

  it('are their formulas, term by term', async () => {
    await device.scope(async () => {
      const [natural, adversarial, labels] = batch();
      const value = async (objective: Objective): Promise<Record<string, number>> => {
        const { total, terms } = objective.loss({ natural, adversarial }, labels);
        const items = Object.entries({ total, ...terms }).map(
          async ([name, term]) => [name, await term.item()] as const,
        );
        return Object.fromEntries(await Promise.all(items));
      };
      const clean = await crossEntropy(natural, labels).item();
      expect(await value(plain())).toEqual({ total: clean, ce: clean });
      const robust = await crossEntropy(adversarial, labels).item();
      expect(await value(standardAT())).toEqual({ total: robust, ce: robust });
      for (const options of [
        {},
        { lambda: 0.7, beta: 0.2, symmetrize: false, pairReduction: 'mean', martCompat: true },
      ] as const) {
        const loss = mimaeLoss(natural, adversarial, labels, options);
        expect(await value(mimaeAT(options))).toEqual({
          total: await loss.loss.item(),
          bce: await loss.classification.item(),
          mi: await loss.mutualInformation.item(),
          l1: await loss.pairing.item(),
        });
      }
      const ablated = mimaeAT({ classification: 'ce', pairing: 'mse' });
      expect(Object.keys(await value(ablated))).toEqual(['total', 'ce', 'mi', 'mse']);
      const [a, b] = [mimaeLoss(natural, adversarial, labels, { classification: 'ce', pairing: 'mse' }), ablated];
      expect((await value(b))['total']).toBe(await a.loss.item());
      const whole: [Objective, Tensor][] = [
        [alp({ lambda: 0.3 }), alpLoss(natural, adversarial, labels, { lambda: 0.3 })],
        [alp({ pairReduction: 'mean' }), alpLoss(natural, adversarial, labels, { lambda: 0.5, pairReduction: 'mean' })],
        [trades({ lambda: 4 }), tradesLoss(natural, adversarial, labels, { lambda: 4 })],
        [mmaFixed(), mmaFixedLoss(natural, adversarial, labels)],
        [mart(), martLoss(natural, adversarial, labels, { lambda: 5 })],
        [mart({ martCompat: true }), martLoss(natural, adversarial, labels, { lambda: 5, martCompat: true })],
      ];
      for (const [objective, loss] of whole) {
        const { total, ...terms } = await value(objective);
        expect(total, objective.name).toBe(await loss.item());
        // The total is the first term and lambda times the second, in float32.
        const [first = NaN, second = 0] = Object.values(terms);
        const { lambda = 0 } = objective.options;
        expect(total).toBeCloseTo(first + Number(lambda) * second, 4);
      }
    });
  });

  it('have the ablations of the terms of MIMAE-AT, each as its own parts add up', async () => {
    await device.scope(async () => {
      const [natural, adversarial, labels] = batch();
      const part = {
        bce: await boostedCrossEntropy(adversarial, labels).item(),
        ce: await crossEntropy(adversarial, labels).item(),
        mi: await mutualInformation(natural, adversarial).item(),
        l1: await l1Pairing(natural, adversarial).item(),
        mse: await msePairing(natural, adversarial).item(),
      };
      const rows: [MimaeATOptions, number][] = [
        [{ beta: 0 }, part.bce - 0.4 * part.mi],
        [{ lambda: 0 }, part.bce + part.l1],
        [{}, part.bce - 0.4 * part.mi + part.l1],
        [{ pairing: 'mse' }, part.bce - 0.4 * part.mi + part.mse],
        [{ classification: 'ce' }, part.ce - 0.4 * part.mi + part.l1],
      ];
      const totals = rows.map(([options]) =>
        objectiveNamed('mimae-at', { ...options }).loss({ natural, adversarial }, labels),
      );
      for (const [i, { total }] of totals.entries()) expect(await total.item()).toBeCloseTo(rows[i]?.[1] ?? NaN, 4);
      expect(new Set(rows.map(([, total]) => total.toFixed(3))).size).toBe(rows.length);
    });
  });

  it('know the value of their classification term at uniform predictions', async () => {
    await device.scope(async () => {
      const [, , labels] = batch();
      const logits = zeros([M, CLASSES], { device });
      const named = OBJECTIVES.map(({ name }) => objectiveNamed(name));
      const smoothed = SMOOTHED.map((name) => objectiveNamed(name, { labelSmoothing: 0.3 }));
      for (const objective of [...named, ...smoothed, mimaeAT({ classification: 'ce' })]) {
        const { term = '', atUniform } = objective.classification ?? {};
        const { terms } = objective.loss({ natural: logits, adversarial: logits }, labels, zeros([M], { device }));
        expect(await terms[term]?.item(), objective.name).toBeCloseTo(atUniform?.(CLASSES) ?? NaN, 5);
      }
    });
    expect(boostedCrossEntropyAtUniform(10)).toBeCloseTo(2.408, 3);
    expect(crossEntropyAtUniform(10)).toBeCloseTo(2.303, 3);
  });

  it('refuse to work without the logits they need', () => {
    device.scope(() => {
      const [natural, adversarial, labels] = batch();
      expect(() => plain().loss({ adversarial }, labels)).toThrow(/plain: needs the natural logits/);
      expect(() => standardAT().loss({ natural }, labels)).toThrow(/standard-at: needs the adversarial logits/);
      expect(() => mimaeAT().loss({ natural }, labels)).toThrow(ArgumentError);
      expect(() => mimaeAT().loss({ adversarial }, labels)).toThrow(ArgumentError);
      expect(() => trades({ passes: 'original' }).loss({ natural, adversarial }, labels)).toThrow(
        /trades: needs the naturalAgain logits/,
      );
    });
  });

  it('attack by their own loss, where they have one, from a pass in evaluation mode', async () => {
    await device.scope(async () => {
      const linear = new Linear(4, CLASSES, { device, generator: new Generator(1) });
      const dropped = new Sequential(new Dropout(0.5, { generator: new Generator(2) }), linear);
      const x = tensor(uniformFloats(M * 4, 5, 0, 1), { device, shape: [M, 4] });
      const [, , labels] = batch();
      const budget = {
        eps: 0.2,
        stepSize: 0.05,
        steps: 4,
        start: tensor(uniformFloats(M * 4, 6, 0, 1), { device, shape: [M, 4] }),
      };
      const shared = { model: dropped, parameters: dropped.parameters(), x, labels };
      const step = (objective: Objective) =>
        adversarialStep({
          ...shared,
          objective,
          attack: (victim, images, classes, loss) => pgd(victim, images, classes, { ...budget, ...(loss && { loss }) }),
        });
      const natural = inEvalMode(dropped, () => noGrad(device, () => dropped.forward(x)));
      const expected = pgd(dropped, x, labels, {
        ...budget,
        loss: (logits) => klDivergence(natural, logits, { reduction: 'none' }),
      });
      expect(await step(trades()).adversarialImages?.floats()).toEqual(await expected.floats());
      const common = pgd(dropped, x, labels, budget);
      for (const objective of [standardAT(), mart()]) {
        expect(await step(objective).adversarialImages?.floats()).toEqual(await common.floats());
      }
      expect(await common.floats()).not.toEqual(await expected.floats());
    });
  });

  it('of TRADES in the original order move running statistics once more, and nothing else', async () => {
    await device.scope(async () => {
      const run = async (passes: 'common' | 'original') => {
        const norm = new BatchNorm2d(1, { device });
        const linear = new Linear(4, CLASSES, { device, generator: new Generator(3) });
        const model = new Sequential(norm, new Flatten(), linear);
        const x = tensor(uniformFloats(M * 4, 5, 0, 1), { device, shape: [M, 1, 2, 2] });
        const [, , labels] = batch();
        const { total, gradients } = adversarialStep({
          ...{ model, parameters: model.parameters(), objective: trades({ passes }), x, labels },
          attack: (_, images) => images.add(0.1),
        });
        const mean = await norm.runningMean.item();
        return {
          total: await total.item(),
          gradients: await Promise.all(gradients.map((each) => each.floats())),
          mean,
        };
      };
      const [common, original] = [await run('common'), await run('original')];
      expect(original.total).toBe(common.total);
      // The same sums, taken apart: natural gradients come in two parts.
      original.gradients.forEach((gradient, index) => {
        gradient.forEach((value, at) => expect(value).toBeCloseTo(common.gradients[index]?.[at] ?? NaN, 5));
      });
      expect(Math.abs(original.mean)).toBeGreaterThan(1.1 * Math.abs(common.mean));
    });
  });

  it('are the same by name', async () => {
    await device.scope(async () => {
      const [natural, adversarial, labels] = batch();
      const named = objectiveNamed('mimae-at', { beta: 0.1, pairReduction: 'mean' });
      const made = mimaeAT({ beta: 0.1, pairReduction: 'mean' });
      expect(named.options).toEqual(made.options);
      const [a, b] = [named, made].map((objective) => objective.loss({ natural, adversarial }, labels).total);
      expect(await a?.item()).toBe(await b?.item());
    });
  });
});
