import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Trainer, sanity, standardAT, type SanityReport, type Verdict } from '../../adversarial/index.js';
import { independence, logits, modes, repeatability, slopes } from '../../adversarial/sanity-checks.js';
import { probe, type Probes } from '../../adversarial/sanity-probes.js';
import { Dataset } from '../../data/dataset.js';
import {
  ArgumentError,
  concat,
  customOp,
  flatten,
  mul,
  round,
  sigmoid,
  softmax,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';
import { SmallNet, smallImages } from './small-images.js';

/** Where the model stands nearly all attacks, and where without a mask it stands none. */
const [HELD, LOST] = [0.2, 0.3];

let device: Device;
let net: SmallNet;
beforeAll(async () => {
  device = await testDevice();
  net = new SmallNet(device);
  const attack = { eps: 0.15, steps: 5, rampFraction: 0.5 };
  const training = { batchSize: 32, steps: 200, lr: 0.05, momentum: 0.9, attack };
  const trainer = new Trainer({ model: net, dataset: smallImages(192), objective: standardAT(), ...training });
  await trainer.run();
  trainer.dispose();
}, 120_000);
afterAll(() => {
  device.destroy();
});

const test = smallImages(60, 9);
const forward = (x: Tensor): Tensor => net.eval().forward(x);
const check = (model: (x: Tensor) => Tensor): Promise<SanityReport> =>
  sanity(model, test, { eps: LOST, device, queries: 100 });
const probed = (model: SmallNet | ((x: Tensor) => Tensor)): Promise<Probes> => probe(model, test, device, 0);

/** The verdicts that are not 'pass', by the names of the checks. */
const doubts = ({ checks }: SanityReport): Record<string, Verdict> =>
  Object.fromEntries(checks.filter(({ verdict }) => verdict !== 'pass').map(({ name, verdict }) => [name, verdict]));

const rounded =
  (levels: number) =>
  (x: Tensor): Tensor =>
    forward(round(x.mul(levels)).mul(1 / levels));

/** Rounding whose gradient is taken for that of x itself. */
const straightThrough = (levels: number): ((x: Tensor) => Tensor) => {
  const op = customOp({
    name: `straight_through_round_${levels}`,
    forward: (x: Tensor) => round(mul(x, levels)).mul(1 / levels),
    backward: ({ grads }) => grads,
  });
  return (x) => forward(op(x)[0] ?? x);
};

describe('sanity', () => {
  it('passes a model that was trained adversarially, and leaves its modes and the memory as they were', async () => {
    net.eval();
    const before = device.memory().live;
    const seen: (readonly [done: number, total: number])[] = [];
    const report = await sanity(net, test, {
      ...{ eps: HELD, queries: 60, substitute: net, batchSize: 30 },
      onProgress: ({ done, total }) => {
        seen.push([done, total]);
      },
    });
    expect(doubts(report)).toEqual({});
    expect(report.verdict).toBe('pass');
    expect(report.checks).toHaveLength(14);
    // Not because nothing happened.
    expect(report.checks.find(({ name }) => name.includes('iterating'))?.numbers['pgd20Alone']).toBeGreaterThan(0);
    expect(report.curve.points.map(({ value }) => value)).toEqual([0, 0.1, 0.2, 0.4, 0.5, 1]);
    expect(report.stepsCurve.points.map(({ value }) => value)).toEqual([5, 10, 20, 100]);
    expect(report.overlooked).toEqual({});
    expect(net.modules().map(({ training }) => training)).not.toContain(true);
    expect(device.memory().live).toBe(before);
    // Natural and 8 attacks, natural and 5 radii above 0, natural and 2 numbers of steps.
    expect(seen.map(([done]) => done)).toEqual(Array.from({ length: 2 * 18 }, (_, batch) => 30 * (batch + 1)));
    expect(new Set(seen.map(([, total]) => total))).toEqual(new Set([60 * 18]));
  });

  it('catches a layer in front that rounds, whose gradient is zero, and shows what it overlooks', async () => {
    const report = await check(rounded(4));
    expect(doubts(report)).toMatchObject({
      'input gradients do not vanish': 'fail',
      'accuracy falls to chance as eps grows': 'fail',
      'attacks with gradients find what square finds': 'fail',
    });
    const found = report.checks.find(({ name }) => name.endsWith('what square finds'));
    const shown = report.overlooked['square'] ?? [];
    expect(shown.map(({ index }) => index)).toEqual(found?.examples?.slice(0, 10));
    expect(shown.length).toBeGreaterThan(0);
    const { predictions } = report.evaluation.attacks['square'] ?? {};
    for (const { index, label, prediction, natural, adversarial } of shown) {
      expect(label).toBe(test.labels[index]);
      expect(prediction).not.toBe(label);
      expect(prediction).toBe(predictions?.[index]);
      expect(natural).toEqual(test.gather([index]).images);
      const moved = Math.max(...adversarial.map((value, at) => Math.abs(value - (natural[at] ?? NaN))));
      expect(moved).toBeGreaterThan(0);
      expect(moved).toBeLessThanOrEqual(LOST + 1e-6);
    }
  });

  it('catches a softmax at the end', async () => {
    expect(doubts(await check((x) => softmax(forward(x), 1)))).toMatchObject({ 'outputs are logits': 'fail' });
  });

  it('catches a temperature of 1e-3', async () => {
    expect(doubts(await check((x) => forward(x).mul(1000)))).toMatchObject({
      'input gradients do not vanish': 'fail',
      'the loss that is attacked matters little': 'fail',
      'accuracy falls to chance as eps grows': 'fail',
    });
  });

  it('refuses what it cannot check', async () => {
    for (const eps of [0, -1, 8, NaN]) {
      await expect(sanity(net, test, { eps })).rejects.toThrow(ArgumentError);
    }
    await expect(sanity((x) => x, test, { eps: HELD })).rejects.toThrow(/say where it lives/);
    await expect(sanity(net, test.take(0), { eps: HELD })).rejects.toThrow(/has no examples/);
    const flat = new Dataset({
      name: 'flat',
      images: uniformFloats(8, 1, 0, 1),
      labels: [0, 0],
      shape: [2, 4],
      classes: 1,
    });
    await expect(sanity((x) => flatten(x, 1), flat, { eps: HELD, device })).rejects.toThrow(/has 1 classes/);
  });
});

describe('probe', () => {
  it('has nothing against the model itself', async () => {
    const probes = await probed(forward);
    const checks = [repeatability(probes), independence(probes), logits(probes, false), slopes(probes), modes(probes)];
    expect(checks.map(({ verdict }) => verdict)).toEqual(checks.map(() => 'pass'));
    expect(Math.max(...probes.repeated)).toBe(0);
  });

  it('takes the same directions again, and those of an image whatever the batch', async () => {
    const [once, again, part] = [
      await probed(forward),
      await probed(forward),
      await probe(forward, test.take(7), device, 0),
    ];
    expect(again.sideways).toEqual(once.sideways);
    for (const [image, found] of part.sideways.entries()) {
      for (const [direction, { said }] of found.entries()) {
        expect(said).toBeCloseTo(once.sideways[image]?.[direction]?.said ?? NaN, 3);
      }
    }
  });

  it.each([3, 8, 32, 255])('has a word about rounding to %i levels whose gradient is made up', async (levels) => {
    expect(slopes(await probed(straightThrough(levels))).verdict).toBe('look');
  });

  it('has a word about gradients that point the wrong way', async () => {
    const away = customOp({
      name: 'away',
      forward: (x: Tensor) => mul(x, 1),
      backward: ({ grads: [g] }) => [g?.neg()],
    });
    const check = slopes(await probed((x) => forward(away(x)[0] ?? x)));
    expect(check.verdict).toBe('look');
    expect(check.numbers['errorAlongGradient']).toBeCloseTo(2, 2);
  });

  it('has a word about parts of the image that are detached, which differences along the gradient do not show', async () => {
    const rows = (x: Tensor, start: number): Tensor => x.slice([null, null, { start, end: start + 3 }]);
    const check = slopes(await probed((x) => forward(concat([rows(x, 0), rows(x, 3).detach()], 2))));
    expect(check.verdict).toBe('look');
    expect(check.numbers['errorAlongGradient']).toBeLessThan(0.05);
  });

  it('has a word about outputs of a sigmoid', async () => {
    expect(logits(await probed((x) => sigmoid(forward(x))), false).verdict).toBe('look');
  });

  it('catches random outputs', async () => {
    const dropping = (x: Tensor): Tensor => {
      net.train();
      net.bn.eval();
      try {
        return net.forward(x);
      } finally {
        net.eval();
      }
    };
    const probes = await probed(dropping);
    expect(repeatability(probes).verdict).toBe('fail');
    expect(independence(probes).verdict).toBe('look');
  });

  it('catches outputs that go by the other images of the batch', async () => {
    const probes = await probed((x) => forward(x.sub(x.mean([0], { keepDim: true })).add(0.5)));
    expect(repeatability(probes).verdict).toBe('pass');
    expect(independence(probes).verdict).toBe('fail');
  });

  it('names the layers that are in training mode, and leaves them so', async () => {
    net.train();
    const { training, repeated } = await probed(net);
    expect(training).toEqual(['bn', 'drop']);
    expect(Math.max(...repeated)).toBe(0);
    expect([net.training, net.bn.training, net.drop.training]).toEqual([true, true, true]);
    net.eval();
    expect((await probed(net)).training).toEqual([]);
  });
});
