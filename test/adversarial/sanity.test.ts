import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Trainer, sanity, standardAT, type SanityReport, type Verdict } from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import { ArgumentError, customOp, flatten, mul, round, softmax, type Device, type Tensor } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';
import { SmallNet, smallImages } from './small-images.js';

const EPS = 0.1;

let device: Device;
let net: SmallNet;
beforeAll(async () => {
  device = await testDevice();
  net = new SmallNet(device);
  const training = { batchSize: 32, steps: 150, lr: 0.05, momentum: 0.9, attack: { eps: EPS, steps: 5 } };
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
  sanity(model, test, { eps: EPS, device, queries: 60 });
const verdictOf = ({ checks }: SanityReport, words: string): Verdict | undefined =>
  checks.find(({ name }) => name.includes(words))?.verdict;

describe('sanity', () => {
  it('passes a model that was trained adversarially, and leaves its modes and the memory as they were', async () => {
    net.train();
    const before = device.memory().live;
    const report = await sanity(net, test, { eps: EPS, queries: 60, substitute: net });
    expect(
      report.checks.map(({ name, verdict, finding }) => ({
        name,
        verdict,
        finding: verdict === 'pass' ? '' : finding,
      })),
    ).toEqual(report.checks.map(({ name }) => ({ name, verdict: 'pass', finding: '' })));
    expect(report.verdict).toBe('pass');
    expect(report.checks).toHaveLength(12);
    expect(report.curve.points.map(({ value }) => value)).toEqual([0, 0.05, 0.1, 0.2, 0.5, 1]);
    expect([net.training, net.bn.training]).toEqual([true, true]);
    expect(device.memory().live).toBe(before);
  });

  it('catches a layer in front that rounds, whose gradient is zero', async () => {
    const report = await check((x) => forward(round(x.mul(4)).mul(0.25)));
    expect(report.verdict).toBe('fail');
    expect(verdictOf(report, 'do not vanish')).toBe('fail');
  });

  it('has a word about rounding whose gradient is made up', async () => {
    const through = customOp({
      name: 'straight_through_round',
      forward: (x: Tensor) => round(mul(x, 3)).mul(1 / 3),
      backward: ({ grads }) => grads,
    });
    const report = await check((x) => forward(through(x)[0] ?? x));
    expect(verdictOf(report, 'those of the function')).toBe('look');
  });

  it('catches a softmax at the end', async () => {
    const report = await check((x) => softmax(forward(x), 1));
    expect(report.verdict).toBe('fail');
    expect(verdictOf(report, 'outputs are logits')).toBe('fail');
  });

  it('catches a temperature of 1e-3', async () => {
    const report = await check((x) => forward(x).mul(1000));
    expect(report.verdict).toBe('fail');
    expect(verdictOf(report, 'do not vanish')).toBe('fail');
  });

  it('catches random outputs and batch normalisation in training mode', async () => {
    const dropping = (x: Tensor): Tensor => {
      net.train();
      net.bn.eval();
      const logits = net.forward(x);
      net.eval();
      return logits;
    };
    expect(verdictOf(await check(dropping), 'the same images')).toBe('fail');
    const batchwise = (x: Tensor): Tensor => {
      const centred = x.sub(x.mean([0], { keepDim: true })).add(0.5);
      return forward(centred);
    };
    expect(verdictOf(await check(batchwise), 'in any batch')).toBe('fail');
  });

  it('refuses what it cannot check', async () => {
    for (const eps of [0, -1, 8, NaN]) {
      await expect(sanity(net, test, { eps })).rejects.toThrow(ArgumentError);
    }
    await expect(sanity((x) => x, test, { eps: EPS })).rejects.toThrow(/say where it lives/);
    const flat = new Dataset({
      name: 'flat',
      images: uniformFloats(8, 1, 0, 1),
      labels: [0, 0],
      shape: [2, 4],
      classes: 1,
    });
    await expect(sanity((x) => flatten(x, 1), flat, { eps: EPS, device })).rejects.toThrow(/has 1 classes/);
  });
});
