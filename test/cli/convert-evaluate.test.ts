/** Checkpoints that say nothing of their network, evaluated on datasets whose classes and images are known. */
import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { modelConfigOn, readCheckpoint } from '../../cli/checkpoint.js';
import type { Device } from '../../engine/index.js';
import { modelNamed, seededSource } from '../../nn/models/registry.js';
import { encodeSafetensors } from '../../nn/safetensors.js';
import { saveStateDict } from '../../nn/state-dict.js';
import { cifarRecords } from '../support/cifar.js';
import { testDevice } from '../support/device.js';
import { inTemporaryFolder, run } from './run.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

inTemporaryFolder();

it('takes the classes and images of the dataset where a checkpoint says none', async () => {
  const options = { width: 1 / 32 };
  const model = modelNamed('resnet18', { ...seededSource(device, 1), classes: 100, options });
  await writeFile('bare.safetensors', encodeSafetensors(await saveStateDict(model)));
  await mkdir('data');
  await writeFile('data/test.bin', cifarRecords([0, 1, 2, 3].map((label) => [0, label])));
  const args = [
    'bare.safetensors',
    '--dataset',
    'cifar100',
    '--data',
    'data',
    '--model',
    'resnet18',
    '--width',
    '1/32',
  ];
  const evaluated = await run(['evaluate', ...args, '--samples', '4', '--attacks', 'natural', '--json']);
  expect([evaluated.code, evaluated.out]).toEqual([0, expect.stringContaining('"size": 4')]);
  const checked = await run(['sanity', ...args, '--samples', '4', '--queries', '2', '--json']);
  expect(checked.out).toContain('"verdict"');
}, 300_000);

it('goes by the file where it says them, and knows nothing of a folder but the size that its images are brought to', async () => {
  await writeFile('named.safetensors', encodeSafetensors({}, { model: 'resnet18', classes: '7', imageSize: '48' }));
  await writeFile('bare.safetensors', encodeSafetensors({}));
  const [named, bare] = [await readCheckpoint('named.safetensors'), await readCheckpoint('bare.safetensors')];
  expect(modelConfigOn(named, { dataset: 'cifar100' })).toMatchObject({ classes: 7, inChannels: 3, imageSize: 48 });
  const model = 'cnn4';
  expect(modelConfigOn(bare, { dataset: 'cifar100', model })).toMatchObject({
    classes: 100,
    inChannels: 3,
    imageSize: 32,
  });
  expect(modelConfigOn(bare, { dataset: 'folder', model })).toMatchObject({
    classes: 10,
    inChannels: 1,
    imageSize: 28,
  });
  expect(modelConfigOn(bare, { dataset: 'folder', model, imageSize: 64 })).toMatchObject({
    inChannels: 1,
    imageSize: 64,
  });
});
