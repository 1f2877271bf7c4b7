import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  boostedCrossEntropyAtUniform,
  crossEntropyAtUniform,
  mimaeAT,
  mimaeLoss,
  objectiveNamed,
  plain,
  standardAT,
  type Objective,
} from '../../adversarial/index.js';
import { ArgumentError, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
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

describe('objectives', () => {
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
    });
  });

  it('know the value of their classification term at uniform predictions', async () => {
    await device.scope(async () => {
      const [, , labels] = batch();
      const logits = zeros([M, CLASSES], { device });
      for (const objective of [plain(), standardAT(), mimaeAT()]) {
        const { term, atUniform } = objective.classification;
        const { terms } = objective.loss({ natural: logits, adversarial: logits }, labels);
        expect(await terms[term]?.item()).toBeCloseTo(atUniform(CLASSES), 5);
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
