import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate, fgsmAttack, pgdAttack, squareAttack, transferAttack } from '../../adversarial/index.js';
import { Generator, argmax, noGrad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const scoped = (body: () => Promise<void>) => () => device.scope(body);

/** The model that is evaluated, which the attack is to leave alone. */
const target = (): Tensor => {
  throw new RangeError('the target was asked');
};

function setup(): { substitute: SmallNet; x: Tensor; labels: Tensor } {
  const substitute = new SmallNet(device, { seed: 3 });
  const { images } = smallImages(6).gather([0, 1, 2, 3, 4, 5]);
  const x = tensor(images, { device, shape: [6, 1, 6, 6] });
  const labels = noGrad(device, () => argmax(substitute.eval().forward(x), 1));
  substitute.train();
  return { substitute, x, labels };
}

describe('transferAttack', () => {
  it(
    'makes a recorded attack on the substitute alone',
    scoped(async () => {
      const { substitute, x, labels } = setup();
      const attack = pgdAttack({ eps: 0.1, stepSize: 0.03, steps: 4 });
      const transferred = transferAttack(substitute, attack, 'a smaller network');
      expect(transferred.settings).toEqual({ ...attack.settings, substitute: 'a smaller network' });
      const run = (random: Generator): [Tensor, Tensor] => [
        transferred.run(target, x, labels, { generator: random }),
        attack.run(substitute, x, labels, { generator: new Generator(1) }),
      ];
      const [found, expected] = run(new Generator(1));
      expect(await found.floats()).toEqual(await expected.floats());
      expect(substitute.modules().every(({ training }) => training)).toBe(true);
      substitute.dispose();
    }),
  );

  it(
    'makes a hosted attack on the substitute alone, with its signal',
    scoped(async () => {
      const { substitute, x, labels } = setup();
      const attack = squareAttack({ eps: 0.1, queries: 10 });
      const transferred = transferAttack(substitute, attack);
      expect(transferred.hosted).toBe(true);
      const found = await transferred.run(target, x, labels, { generator: new Generator(1) });
      const expected = await attack.run(substitute, x, labels, { generator: new Generator(1) });
      expect(await found.floats()).toEqual(await expected.floats());
      const signal = AbortSignal.abort(new RangeError('enough'));
      await expect(transferred.run(target, x, labels, { generator: new Generator(1), signal })).rejects.toThrow(
        'enough',
      );
      substitute.dispose();
    }),
  );

  it(
    'is weaker than the attack itself in an evaluation',
    scoped(async () => {
      const [evaluated, substitute] = [new SmallNet(device, { seed: 1 }), new SmallNet(device, { seed: 2 })];
      const attack = fgsmAttack({ eps: 0.2 });
      const { attacks } = await evaluate(evaluated, smallImages(60), {
        attacks: { white: attack, black: transferAttack(substitute, attack) },
        examples: 0,
      });
      const [white, black] = [attacks['white'], attacks['black']];
      expect(white?.accuracy.value).toBeLessThan(black?.accuracy.value ?? NaN);
      expect(black?.settings).toMatchObject({ substitute: 'another model' });
      for (const net of [evaluated, substitute]) net.dispose();
    }),
  );
});
