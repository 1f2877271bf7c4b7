/** Models are guests: what every attack owes to the model it is made on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  apgdAttack,
  apgdTargetedAttack,
  bimAttack,
  cwL2Attack,
  cwLinfAttack,
  deepfoolAttack,
  fabTargetedAttack,
  ffgsmAttack,
  fgsmAttack,
  gaussianBlurAttack,
  inTurn,
  klPgdAttack,
  noiseAttack,
  pgdAttack,
  quantized,
  rfgsmAttack,
  squareAttack,
  type Attack,
  type Model,
} from '../../adversarial/index.js';
import { BulwarkError, Generator, tensor, type Device, type Tensor } from '../../engine/index.js';
import { saveStateDict } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const eps = 0.1;
const CLASSES = 4;
/** Every attack there is, with few steps; and whether it goes by gradients. */
const ATTACKS: readonly (readonly [string, Attack, boolean])[] = [
  ['fgsm', fgsmAttack({ eps }), true],
  ['bim', bimAttack({ eps, steps: 4 }), true],
  ['ffgsm', ffgsmAttack({ eps }), true],
  ['rfgsm', rfgsmAttack({ eps }), true],
  ['rfgsm of torchattacks', rfgsmAttack({ eps, definition: 'torchattacks', steps: 4 }), true],
  ['pgd', pgdAttack({ eps, stepSize: 0.05, steps: 5 }), true],
  ['pgd l2 with restarts', pgdAttack({ norm: 'l2', eps: 1, stepSize: 0.3, steps: 5, restarts: 2 }), true],
  ['pgd l1', pgdAttack({ norm: 'l1', eps: 3, stepSize: 1, steps: 5 }), true],
  ['cw', cwLinfAttack({ eps, steps: 5 }), true],
  ['kl-pgd', klPgdAttack({ eps, stepSize: 0.05, steps: 5 }), true],
  ['apgd', apgdAttack({ eps, steps: 6 }), true],
  ['apgd l2 dlr', apgdAttack({ norm: 'l2', eps: 1, steps: 6, loss: 'dlr' }), true],
  ['apgd-t', apgdTargetedAttack({ eps, steps: 3 }), true],
  ['fab-t', fabTargetedAttack({ eps, steps: 3 }), true],
  ['cw-l2', cwL2Attack({ searchSteps: 2, maxIterations: 5 }), true],
  ['deepfool', deepfoolAttack({ maxIterations: 3 }), true],
  ['quantized', quantized(pgdAttack({ eps, stepSize: 0.05, steps: 5 }), 8), true],
  ['in turn', inTurn('two', [fgsmAttack({ eps }), apgdAttack({ eps, steps: 3 })]), true],
  ['square', squareAttack({ eps, queries: 5 }), false],
  ['noise', noiseAttack({ eps, repeats: 3 }), false],
  ['blur', gaussianBlurAttack(), false],
];

const test = smallImages(6, 9);
const run = async (attack: Attack, model: Model): Promise<Float32Array> => {
  const { images, labels } = test.gather([0, 1, 2, 3, 4, 5]);
  const x = tensor(images, { device, shape: [6, 1, 6, 6] });
  const classes = tensor(labels, { device });
  const samples = tensor([0, 1, 2, 3, 4, 5], { device, dtype: 'i32' });
  const random = { generator: new Generator(2), samples };
  let found: Tensor | undefined;
  try {
    found = attack.hosted ? await attack.run(model, x, classes, random) : attack.run(model, x, classes, random);
    return await found.floats();
  } finally {
    for (const each of [x, classes, samples, found]) each?.dispose();
  }
};

describe('an attack on a model', () => {
  it.each(ATTACKS)('leaves it as it was: %s', async (_, attack) => {
    const net = new SmallNet(device, { classes: CLASSES });
    net.train();
    net.bn.eval();
    for (const parameter of net.parameters()) expect(parameter.grad).toBeNull();
    const before = await saveStateDict(net);
    const first = await run(attack, net);
    const held = device.memory().live;
    const again = await run(attack, net);
    expect(device.memory().live).toBe(held);
    expect(again).toEqual(first);
    expect(await saveStateDict(net)).toEqual(before);
    expect([net.training, net.bn.training, net.drop.training]).toEqual([true, false, true]);
    for (const parameter of net.parameters()) expect(parameter.grad).toBeNull();
    // A function gives the same as the module that it calls in evaluation mode.
    expect(await run(attack, (x) => net.eval().forward(x))).toEqual(first);
    net.dispose();
  });

  it.each(ATTACKS)('gives it its modes back, and its memory, when it throws: %s', async (_, attack) => {
    const net = new SmallNet(device, { classes: CLASSES });
    net.train();
    net.bn.eval();
    const forward = net.forward.bind(net);
    await run(attack, net);
    const held = device.memory().live;
    let left = 2;
    net.forward = (x) => {
      if (left-- === 0) throw new Error('enough');
      return forward(x);
    };
    await run(attack, net).catch((error: unknown) => {
      expect(error).toEqual(new Error('enough'));
    });
    expect([net.training, net.bn.training, net.drop.training]).toEqual([true, false, true]);
    expect(device.memory().live).toBe(held);
    net.dispose();
  });

  it.each(ATTACKS.filter(([, , byGradient]) => byGradient))(
    'says so where there is no gradient: %s',
    async (_, attack) => {
      const net = new SmallNet(device, { classes: CLASSES });
      const cut = (x: Tensor): Tensor => net.eval().forward(x.detach()).detach();
      await expect(run(attack, cut)).rejects.toThrow(BulwarkError);
      await expect(run(attack, cut)).rejects.toThrow(/gradient|graph/);
      net.dispose();
    },
  );
});
