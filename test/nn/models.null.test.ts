/** What the models have and cost, counted: Dawn's null backend has memory for the largest, and computes nothing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArgumentError, type Device } from '../../engine/index.js';
import { MODELS, modelEntry, modelNamed, summary, wrn } from '../../nn/index.js';
import { ownDevice } from '../support/device.js';

let device: Device;
beforeEach(async () => {
  device = await ownDevice();
});
afterEach(() => {
  device.destroy();
});

/** Multiply-accumulates of a k x k convolution from c to o channels onto a map of this side. */
const conv = (c: number, o: number, k: number, side: number): number => c * o * k * k * side * side;

/** Of blocks of two 3 x 3 convolutions, the first with a 1 x 1 beside them where the channels change. */
function basic(c: number, o: number, side: number, blocks: number): number {
  const first = conv(c, o, 3, side) + conv(o, o, 3, side) + (c === o ? 0 : conv(c, o, 1, side));
  return first + (blocks - 1) * 2 * conv(o, o, 3, side);
}

/** Of bottlenecks; `before` is the side of the map that the first of them gets. */
function bottleneck(c: number, planes: number, before: number, side: number, blocks: number): number {
  const out = 4 * planes;
  const first = conv(c, planes, 1, before) + conv(planes, planes, 3, side) + conv(planes, out, 1, side);
  const other = conv(out, planes, 1, side) + conv(planes, planes, 3, side) + conv(planes, out, 1, side);
  return first + conv(c, out, 1, side) + (blocks - 1) * other;
}

function wide(blocks: number, widen: number): number {
  const [a, b, c] = [16 * widen, 32 * widen, 64 * widen];
  const stages = basic(16, a, 32, blocks) + basic(a, b, 16, blocks) + basic(b, c, 8, blocks);
  return conv(3, 16, 3, 32) + stages + 10 * c;
}

const eighteen =
  conv(3, 64, 3, 32) +
  basic(64, 64, 32, 2) +
  basic(64, 128, 16, 2) +
  basic(128, 256, 8, 2) +
  basic(256, 512, 4, 2) +
  5120;

const fifty =
  conv(3, 64, 3, 32) +
  bottleneck(64, 64, 32, 32, 3) +
  bottleneck(256, 128, 32, 16, 4) +
  bottleneck(512, 256, 16, 8, 6) +
  bottleneck(1024, 512, 8, 4, 3) +
  20_480;

const cnn4Macs =
  conv(1, 32, 3, 26) + conv(32, 32, 3, 24) + conv(32, 64, 3, 10) + conv(64, 64, 3, 8) + 1024 * 200 + 200 * 200 + 2000;

describe('the models', () => {
  it.each([
    ['cnn4', 312_202, cnn4Macs],
    ['resnet18', 11_173_962, eighteen],
    ['resnet50', 23_520_842, fifty],
    ['preact-resnet18', 11_172_170, eighteen],
    ['wrn-34-10', 46_160_474, wide(5, 10)],
    ['wrn-28-10', 36_479_194, wide(4, 10)],
    ['wrn-28-4', 5_849_050, wide(4, 4)],
    ['wrn-16-4', 2_748_890, wide(2, 4)],
  ])('%s has %d parameters and %d multiply-accumulates', (name, parameters, macs) => {
    const model = modelNamed(name, { device });
    const [c, h, w] = modelEntry(name).imageShape;
    const one = summary(model, [1, c, h, w]);
    expect(one).toMatchObject({ parameters, macs, parameterBytes: 4 * parameters });
    expect(model.parameters().reduce((sum, { size }) => sum + size, 0)).toBe(parameters);
    expect(one.rows[0]).toMatchObject({ name: '', output: [1, 10] });
    expect(summary(model, [3, c, h, w]).macs).toBe(3 * macs);
  });

  it('cost what is known of them', () => {
    expect(cnn4Macs).toBe(9_952_400);
    expect(eighteen).toBe(555_422_720);
  });

  it.each(MODELS)('$name takes the options that all have, and other images', ({ name, options }) => {
    const source = { device, classes: 7, inChannels: 2, imageSize: 20 };
    const model = modelNamed(name, { ...source, options: { width: 0.05, activation: 'silu' } });
    const { rows, parameters } = summary(model, [2, 2, 20, 20]);
    expect(rows[0]?.output).toEqual([2, 7]);
    expect(parameters).toBeLessThan(summary(modelNamed(name, source), [2, 2, 20, 20]).parameters);
    expect(options).toMatchObject({ width: 1, activation: 'relu' });
  });

  it.each(MODELS)('$name refuses what it does not know', ({ name, options }) => {
    const given = (option: string, value: string | number) => () =>
      modelNamed(name, { device, options: { [option]: value } });
    expect(given('widht', 2)).toThrow(new RegExp(`unknown option of ${name} 'widht' \\(did you mean width\\?\\)`));
    expect(given('width', '2')).toThrow(`${name}: width is string 2; expected a number`);
    expect(given('width', 0)).toThrow(/width is 0; expected a number above 0/);
    expect(given('activation', 'tanh')).toThrow(/unknown activation 'tanh'; there are relu, silu/);
    if ('dropout' in options) expect(given('dropout', 1.5)).toThrow(/p is 1.5; expected a probability/);
    else expect(given('dropout', 0.5)).toThrow(/unknown option/);
    expect(() => modelNamed(name, { device, classes: 0 })).toThrow(ArgumentError);
  });
});

describe('modelNamed', () => {
  it('names the nearest of an unknown name', () => {
    expect(() => modelNamed('resnet-18', { device })).toThrow(
      "unknown model 'resnet-18' (did you mean resnet18?); there are cnn4, resnet18, resnet50, preact-resnet18, " +
        'wrn-34-10, wrn-28-10, wrn-28-4, wrn-16-4, and wrn-D-W of any depth D = 6 n + 4 and widening W',
    );
    expect(() => modelNamed('wrn-34', { device })).toThrow(/did you mean wrn-34-10/);
  });

  it('takes wide residual networks of every depth and widening', () => {
    const model = modelNamed('wrn-22-2', { device, options: { width: 0.5 } });
    const same = wrn({ device, depth: 22, widen: 2, width: 0.5 });
    const shapes = (of: typeof model) => [...of.stateDict()].map(([key, { shape }]) => [key, shape]);
    expect(shapes(model)).toEqual(shapes(same));
    expect(modelEntry('wrn-22-2')).toMatchObject({ name: 'wrn-22-2', imageShape: [3, 32, 32] });
    expect(() => modelNamed('wrn-30-2', { device })).toThrow(
      "model 'wrn-30-2': there are wrn-D-W of depths D = 6 n + 4 from 10 to 1000",
    );
    expect(() => modelNamed('wrn-4-2', { device })).toThrow(/depths D = 6 n \+ 4 from 10/);
    expect(() => modelNamed('wrn-10-0', { device })).toThrow(/widenings W from 1/);
  });

  it('gives the 4-convolution network its initialisation and image size', () => {
    const options = { init: 'kaimingNormal', dropout: 0 };
    const model = modelNamed('cnn4', { device, inChannels: 3, imageSize: 32, options });
    expect(model.stateDict().get('classifier.fc1.weight')?.shape).toEqual([200, 1600]);
    expect(() => modelNamed('cnn4', { device, options: { init: 'kaiming' } })).toThrow(/unknown init 'kaiming'/);
  });
});
