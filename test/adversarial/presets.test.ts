import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Trainer, evaluate, presetNamed, type PresetNamedOptions, type PresetName } from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import type { Device } from '../../engine/index.js';
import { modelNamed } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

function blobs(side: number, channels: number): Dataset {
  const images = uniformFloats(8 * channels * side * side, 1, 0, 1);
  const labels = Int32Array.from({ length: 8 }, (_, index) => index % 4);
  return new Dataset({ name: 'blobs', images, labels, shape: [8, channels, side, side], classes: 4 });
}

describe('a run and an evaluation with the settings of a preset', () => {
  it.each<[PresetName, PresetNamedOptions]>([
    ['recommended', { dataset: 'cifar10', objective: 'standard-at' }],
    ['original', { dataset: 'cifar10', objective: 'fast-at' }],
    ['original', { dataset: 'mnist', objective: 'standard-at' }],
  ])('%s %o', async (name, options) => {
    const { model: network, objective, augmentation, training, attacks } = presetNamed(name, options);
    const dataset = options.dataset === 'mnist' ? blobs(28, 1) : blobs(32, 3);
    const small = { ...network.options, width: 1 / 16 };
    const model = modelNamed(network.name, { device, classes: 4, options: small });
    const short = { ...training, attack: { ...training.attack, steps: 1 }, batchSize: 4, epochs: undefined, steps: 2 };
    const trainer = new Trainer({ model, dataset, objective, augmentation, ...short });
    expect(await trainer.run()).toMatchObject({ steps: 2 });
    const { fgsm } = attacks;
    if (!fgsm) throw new Error('the preset has no fgsm');
    const result = await evaluate(model, dataset, { attacks: { fgsm } });
    expect(result.worstCase.value).toBeLessThanOrEqual(result.natural.accuracy.value);
    trainer.dispose();
    model.dispose();
  });
});
