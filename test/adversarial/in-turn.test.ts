import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate, fgsmAttack, inTurn, pgdAttack, Trainer, standardAT, type Attack } from '../../adversarial/index.js';
import { ArgumentError, Generator, argmax, noGrad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
let net: SmallNet;
beforeAll(async () => {
  device = await testDevice();
  net = new SmallNet(device);
  const training = { batchSize: 16, steps: 25, lr: 0.05, momentum: 0.9, attack: { eps: 0.1, steps: 4 } };
  const trainer = new Trainer({ model: net, dataset: smallImages(96), objective: standardAT(), ...training });
  await trainer.run();
  trainer.dispose();
});
afterAll(() => {
  device.destroy();
});

const test = smallImages(40, 9);
const eps = 0.25;
const parts = {
  fgsm: fgsmAttack({ eps }),
  pgd: pgdAttack({ eps, stepSize: 0.05, steps: 8 }),
  again: pgdAttack({ eps, stepSize: 0.05, steps: 8 }),
};

describe('inTurn', () => {
  it('fools every sample that one of its attacks does, and leaves the others as they are', async () => {
    // Without random numbers, of which each has its own.
    const pgd = pgdAttack({ eps, stepSize: 0.05, steps: 8, start: 'none' });
    const { fgsm } = parts;
    const together = inTurn('both', [fgsm, pgd]);
    const result = await evaluate(net, test, { attacks: { fgsm, pgd, together }, batchSize: 16 });
    expect(result.attacks['together']?.accuracy.count).toBe(result.worstCase.count);
    for (const [i, label] of test.labels.entries()) {
      const right = (name: string): boolean => result.attacks[name]?.predictions[i] === label;
      const natural = result.natural.predictions[i] === label;
      expect(right('together')).toBe(natural && right('fgsm') && right('pgd'));
      const moved = (result.attacks['together']?.perturbation.linf[i] ?? NaN) > 0;
      expect(moved).toBe(natural && !right('together'));
    }
  });

  it('gives each attack only what is left, with labels and numbers of its own', async () => {
    const seen: { count: number; samples: number[]; draw: number }[] = [];
    const noting = (fool: readonly number[]): Attack => ({
      hosted: true,
      settings: { attack: 'noting' },
      warnings: [],
      run: async (_model, x, labels, { samples, generator }) => {
        const ids = [...((await samples?.data()) ?? [])];
        seen.push({ count: x.shape[0] ?? 0, samples: ids, draw: generator.uniform(1)[0] ?? NaN });
        expect([...(await labels.data())]).toEqual(ids.map((id) => truth[id - 100]));
        // Fools by images of noise, which are of one class.
        const images = await x.floats();
        const size = images.length / ids.length;
        ids.forEach((id, row) => {
          if (fool.includes(id)) images.fill(0, row * size, (row + 1) * size);
        });
        return tensor(images, { device, shape: x.shape });
      },
    });
    const x = tensor(test.gather([0, 1, 2, 3, 4, 5]).images, { device, shape: [6, 1, 6, 6] });
    const classes = (batch: Tensor): Tensor => noGrad(device, () => argmax(net.eval().forward(batch), 1));
    const truth = [...(await classes(x).data())];
    const [black = -1] = await classes(tensor(new Float32Array(36), { device, shape: [1, 1, 6, 6] })).data();
    const others = truth.flatMap((label, i) => (label === black ? [] : [100 + i]));
    const [first = -1, second = -1] = others;
    const labels = tensor(truth, { device, dtype: 'i32' });
    const samples = tensor([100, 101, 102, 103, 104, 105], { device, dtype: 'i32' });
    const attack = inTurn('notes', [noting([first]), noting([second]), noting([])]);
    const found = await attack.run(net, x, labels, { generator: new Generator(3), samples });
    expect(seen.map(({ count }) => count)).toEqual([6, 5, 4]);
    expect(seen[1]?.samples).toEqual([100, 101, 102, 103, 104, 105].filter((id) => id !== first));
    expect(new Set(seen.map(({ draw }) => draw)).size).toBe(3);
    const [before, after] = [await x.floats(), await found.floats()];
    for (let i = 0; i < 6; i++) {
      const rows = [before, after].map((all) => [...all.slice(36 * i, 36 * (i + 1))]);
      if (100 + i === first || 100 + i === second) expect(rows[1]).toEqual(new Array(36).fill(0));
      else expect(rows[1]).toEqual(rows[0]);
    }
  });

  it('stops once nothing is left, at a signal, and where an attack fails, with nothing held', async () => {
    const x = tensor(test.gather([0, 1]).images, { device, shape: [2, 1, 6, 6] });
    // Of classes that the samples do not have: all are misclassified from the start.
    const wrong = tensor(new Int32Array([1, 2]), { device });
    const failing: Attack = {
      settings: { attack: 'failing' },
      warnings: ['fails'],
      run: () => {
        throw new Error('it failed');
      },
    };
    const attack = inTurn('failing', [parts.fgsm, failing]);
    expect(attack.warnings).toEqual(['failing: fails']);
    const before = device.memory().live;
    (await attack.run(net, x, wrong, { generator: new Generator(1) })).dispose();
    const right = tensor(test.gather([0, 1]).labels, { device });
    const none = inTurn('failing', [failing]);
    await expect(none.run(net, x, right, { generator: new Generator(1) })).rejects.toThrow('it failed');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(none.run(net, x, right, { generator: new Generator(1), signal })).rejects.toThrow('enough');
    right.dispose();
    expect(device.memory().live).toBe(before);
    expect(() => inTurn('nothing', [])).toThrow(ArgumentError);
  });

  it('gives a sample the same result in any batch', async () => {
    const together = inTurn('all', Object.values(parts));
    const [whole, cut] = [
      await evaluate(net, test, { attacks: { together }, batchSize: 40, seed: 5 }),
      await evaluate(net, test, { attacks: { together }, batchSize: 7, seed: 5 }),
    ];
    expect(cut.attacks['together']?.predictions).toEqual(whole.attacks['together']?.predictions);
  });
});
