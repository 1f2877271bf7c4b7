import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grad, noGrad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { BatchNorm2d, Conv2d, Linear, MaxPool2d, Module, SGD, saveStateDict } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, goldenTolerance, loadGolden, type GoldenCase } from '../support/golden.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** The network of the golden group: two convolutions with batch norm. */
class TinyCnn extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly pool = new MaxPool2d(2);
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly fc: Linear;

  constructor({ cin, c1, c2, classes }: Record<'cin' | 'c1' | 'c2' | 'classes', number>) {
    super();
    this.conv1 = new Conv2d(cin, c1, 3, { device, padding: 1 });
    this.bn1 = new BatchNorm2d(c1, { device });
    this.conv2 = new Conv2d(c1, c2, 3, { device, stride: 2, padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(c2, { device });
    this.fc = new Linear(c2, classes, { device });
  }

  forward(x: Tensor): Tensor {
    const half = this.pool.forward(this.bn1.forward(this.conv1.forward(x)).relu());
    return this.fc.forward(this.bn2.forward(this.conv2.forward(half)).relu().mean([2, 3]));
  }
}

function load(golden: GoldenCase): TinyCnn {
  const [cin, c1, c2, classes] = ['cin', 'c1', 'c2', 'classes'].map((name) => golden.number(name));
  const net = new TinyCnn({ cin: cin ?? 0, c1: c1 ?? 0, c2: c2 ?? 0, classes: classes ?? 0 });
  const stored = [...golden.inputs.keys()].filter((name) => /^(param|stat)\./.test(name));
  const state = stored.map((name) => {
    const { shape } = golden.input(name);
    return [name.replace(/^(param|stat)\./, ''), { dtype: 'F32', shape, data: golden.floats(name) }] as const;
  });
  const report = net.loadStateDict(Object.fromEntries(state), { strict: false });
  expect(report).toEqual({ missing: ['bn1.num_batches_tracked', 'bn2.num_batches_tracked'], unexpected: [] });
  return net;
}

describe('training a small network', () => {
  const tolerance = goldenTolerance.train;

  it.each(loadGolden('train').cases)('follows the reference in $id', async (golden) => {
    const net = load(golden);
    const named = net.namedParameters();
    const parameters = [...named.values()];
    const sgd = new SGD(parameters, {
      lr: golden.number('lr'),
      momentum: golden.number('momentum'),
      weightDecay: golden.number('weight_decay'),
      nesterov: golden.attrs['nesterov'] === true,
    });
    const check = async (value: Tensor, name: string): Promise<void> => {
      expectGolden(await value.floats(), golden.output(name), tolerance, name);
    };
    const batch = (step: number): Tensor =>
      tensor(golden.floats(`x_${step}`), { device, shape: golden.input(`x_${step}`).shape });
    const evaluate = (): Tensor => noGrad(device, () => net.eval().forward(batch(0)));

    await check(evaluate(), 'eval_logits_before');
    for (let step = 0; step < golden.number('steps'); step++) {
      const logits = net.train().forward(batch(step));
      const loss = crossEntropy(logits, tensor(golden.ints(`y_${step}`), { device }));
      const gradients = grad(loss, parameters);
      if (step === 0) {
        await check(logits, 'logits_step1');
        for (const [index, name] of [...named.keys()].entries()) {
          const gradient = gradients[index];
          if (gradient) await check(gradient, `grad1.${name}`);
        }
      }
      await check(loss, `loss_${step + 1}`);
      sgd.step(gradients);
      const after = [...golden.outputs.keys()].filter((name) => name.startsWith(`after${step + 1}.`));
      if (after.length > 0) expect(after).toHaveLength(named.size + 4);
      const state = net.stateDict();
      for (const name of after) {
        const value = state.get(name.slice(name.indexOf('.') + 1));
        if (!value) throw new Error(`the network has no ${name}`);
        await check(value, name);
      }
    }
    await check(evaluate(), 'eval_logits_after');
    const counts = (await saveStateDict(net))['bn2.num_batches_tracked']?.data;
    expect(counts).toEqual(new Int32Array([golden.number('steps')]));
    sgd.dispose();
    net.dispose();
  });
});
