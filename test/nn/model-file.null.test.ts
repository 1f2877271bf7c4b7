/** What files may say of their models, and how those that do not fit are refused; no kernel runs for that. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, BulwarkError, FormatError, type Device } from '../../engine/index.js';
import { modelDescriptionOf, modelNamed, modelOfFile, type ModelFile } from '../../nn/index.js';
import type { SafetensorsTensor } from '../../nn/safetensors.js';
import { ownDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await ownDevice();
});
afterAll(() => {
  device.destroy();
});

const NARROW = { model: 'cnn4', options: '{"width":0.03125}' };

/** A file of a narrow cnn4, with other tensors in the place of its own, and more metadata. */
function fileOf(
  metadata: Readonly<Record<string, string>> = {},
  other: Readonly<Record<string, SafetensorsTensor>> = {},
): ModelFile {
  const model = modelNamed('cnn4', { device, options: { width: 1 / 32 } });
  const own = [...model.stateDict()].map(([name, { shape, size }]): [string, SafetensorsTensor] => {
    return [name, { dtype: 'F32', shape, data: new Float32Array(size) }];
  });
  model.dispose();
  return { path: 'm.st', tensors: { ...Object.fromEntries(own), ...other }, metadata: { ...NARROW, ...metadata } };
}

const load = (file: ModelFile) => modelOfFile(file, modelDescriptionOf(file), { device });

describe('a description', () => {
  it('goes by what is known, by the file, by what is usual and by the model, in this order', () => {
    const file = { path: 'm.st', metadata: { model: 'resnet18', classes: '7', inChannels: '2' } };
    const usual = { classes: 100, inChannels: 4, imageSize: 64 };
    const sizes = { classes: 7, inChannels: 2, imageSize: 64 };
    expect(modelDescriptionOf(file, {}, usual)).toMatchObject(sizes);
    expect(modelDescriptionOf(file, { classes: 5, imageSize: 16 }, usual)).toMatchObject({
      ...{ classes: 5, inChannels: 2, imageSize: 16 },
    });
    expect(modelDescriptionOf(file)).toMatchObject({ classes: 7, inChannels: 2, imageSize: 32 });
    const { options } = modelDescriptionOf(file, { options: { activation: 'silu' }, width: 0.5 });
    expect(options).toEqual({ activation: 'silu', width: 0.5 });
  });

  const cnn4 = (more: Readonly<Record<string, string>>) => ({ model: 'cnn4', ...more });
  it.each([
    [
      'a depth',
      { model: 'wrn-60004-1' },
      /^m\.st: model 'wrn-60004-1': there are wrn-D-W of depths D = 6 n \+ 4 from 10 to 1000, /,
    ],
    ['a widening', { model: 'wrn-34-99999999999' }, / widenings W from 1 to 100, D W up to 4000$/],
    ['a size in all', { model: 'wrn-1000-8' }, /D W up to 4000$/],
    ['a depth that cannot be', { model: 'wrn-35-10' }, /depths D = 6 n \+ 4/],
    [
      'classes',
      cnn4({ classes: '1e9' }),
      /^m\.st: its metadata say classes '1e9'; expected an integer from 1 to 1000000$/,
    ],
    ['half a class', cnn4({ classes: '2.5' }), /classes '2\.5'; expected an integer/],
    ['channels', cnn4({ inChannels: '1e15' }), /inChannels '1e15'; expected an integer from 1 to 10000$/],
    ['a size', cnn4({ imageSize: '1000000' }), /imageSize '1000000'; expected an integer from 1 to 10000$/],
    ['options', cnn4({ options: '{' }), /^m\.st: its metadata say options '\{', which is no JSON$/],
    ['an option', cnn4({ options: '{"\\u001b[2J":1}' }), /^m\.st: unknown option of cnn4 '\?\[2J'/],
    ['a name', { model: '\x1b[2J' }, /^m\.st: unknown model '\?\[2J'/],
    ['a name without end', { model: 'x'.repeat(1e6) }, /^m\.st: unknown model 'x{200}\.\.\.'/],
  ])('is refused where it makes no sense: %s', (_, metadata, message) => {
    const attempt = (): unknown => modelDescriptionOf({ path: 'm.st', metadata });
    expect(attempt).toThrow(FormatError);
    expect(attempt).toThrow(message);
  });

  it('of what the device cannot hold, or the model refuses, is refused with the name of the file', () => {
    expect(() => load(fileOf({ options: '{"width":1e9}' }))).toThrow(BulwarkError);
    expect(() => load(fileOf({ options: '{"width":1e9}' }))).toThrow(
      /^m\.st: cnn4 with width 1000000000 and .* cannot be/,
    );
    expect(() => load(fileOf({ options: '{"activation":"toString"}' }))).toThrow(ArgumentError);
    expect(() => load(fileOf({ options: '{"activation":"toString"}' }))).toThrow(/^m\.st: cnn4: unknown activation/);
  });
});

describe('a file of a model', () => {
  it('names itself where its tensors do not fit, and shows their names as a terminal may see them', () => {
    const bias: SafetensorsTensor = { dtype: 'I32', shape: [10], data: new Int32Array(10) };
    const odd: SafetensorsTensor = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
    expect(() => load(fileOf({}, { 'classifier.fc3.bias': bias, '\x1b[2J': odd }))).toThrow(
      'm.st: is not a checkpoint of cnn4 with width 0.03125 and 10 classes:\n' +
        '  classifier.fc3.bias has dtype I32, expected f32\n  has ?[2J, which the model has not',
    );
  });

  it('names itself where it holds the model several times', () => {
    const { tensors, ...rest } = fileOf();
    const twice = ['a.', 'b.'].flatMap((prefix) =>
      Object.entries(tensors).map(([name, value]) => [prefix + name, value]),
    );
    const file = { ...rest, tensors: Object.fromEntries(twice) as ModelFile['tensors'] };
    expect(() => load(file)).toThrow(ArgumentError);
    expect(() => load(file)).toThrow(
      "m.st: holds the model several times; say which by its prefix (--prefix of bulwark convert): 'a.', 'b.'",
    );
  });

  it('is normalised by a constant for each channel, or one for all', () => {
    const constants = (...values: number[]) => ({
      'normalize.mean': values.join(','),
      'normalize.std': values.join(','),
    });
    const shape = (file: ModelFile) => load(file).stateDict().get('normalize.mean')?.shape;
    expect(shape(fileOf(constants(0.5)))).toEqual([1, 1, 1, 1]);
    const grey = { ...fileOf(constants(0.5)), metadata: { ...fileOf(constants(0.5)).metadata, inChannels: '3' } };
    const weight: SafetensorsTensor = { dtype: 'F32', shape: [1, 3, 3, 3], data: new Float32Array(27) };
    const coloured = { ...grey, tensors: { ...grey.tensors, 'feature_extractor.conv1.weight': weight } };
    expect(shape(coloured)).toEqual([1, 3, 1, 1]);
    expect(() => load(fileOf(constants(0.5, 0.4, 0.3)))).toThrow(
      /^m\.st: is normalised for 3 channels; its cnn4 takes 1$/,
    );
    expect(() => load(fileOf(constants(0)))).toThrow(/^m\.st: its metadata say normalize\.mean '0' .* above 0$/);
  });
});
