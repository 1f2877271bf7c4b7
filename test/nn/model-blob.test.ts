import { afterAll, beforeAll, expect, it } from 'vitest';
import { FormatError, Generator, type Device } from '../../engine/index.js';
import {
  modelBlob,
  modelDescriptionOf,
  modelNamed,
  modelOfFile,
  readModelBlob,
  saveStateDict,
  type ModelDescription,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const DESCRIPTION: ModelDescription = {
  ...{ name: 'cnn4', classes: 3, inChannels: 1, imageSize: 28 },
  options: { width: 0.25 },
};

it('gives a model back from its blob, by what the blob says of it', async () => {
  const { name, ...rest } = DESCRIPTION;
  const model = modelNamed(name, { ...rest, device, generator: new Generator(1) });
  const file = new File([await modelBlob(model, DESCRIPTION)], 'small.safetensors');
  const read = await readModelBlob(file);
  expect(read.path).toBe('small.safetensors');
  const again = modelOfFile(read, modelDescriptionOf(read), { device, generator: new Generator(2) });
  expect(await saveStateDict(again)).toEqual(await saveStateDict(model));
});

it('says which file is none', async () => {
  await expect(readModelBlob(new File(['text'], 'a.txt'))).rejects.toThrow(FormatError);
  await expect(readModelBlob(new File(['text'], 'a.txt'))).rejects.toThrow(/^a\.txt: /);
  await expect(readModelBlob(new Blob(['text']), 'b')).rejects.toThrow(/^b: /);
});
