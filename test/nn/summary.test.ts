import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Generator, add, matmul, relu, tensor, type Device, type Tensor } from '../../engine/index.js';
import {
  Conv2d,
  ConvTranspose2d,
  Linear,
  Module,
  ReLU,
  Sequential,
  cnn4,
  formatSummary,
  resnet18,
  saveStateDict,
  summary,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('summary', () => {
  it('has a row for every layer, with its own figures', () => {
    const model = cnn4({ device });
    const { rows, activationBytes } = summary(model, [2, 1, 28, 28]);
    const of = (name: string) => rows.find((row) => row.name === name);
    expect(rows.map(({ name }) => name).filter((name) => name.startsWith('classifier'))).toEqual([
      ...['classifier', 'classifier.fc1', 'classifier.relu1', 'classifier.drop', 'classifier.fc2'],
      ...['classifier.relu2', 'classifier.fc3'],
    ]);
    expect(of('feature_extractor.conv2')).toEqual({
      name: 'feature_extractor.conv2',
      type: 'Conv2d',
      output: [2, 32, 24, 24],
      parameters: 32 * 32 * 9 + 32,
      macs: 2 * 32 * 32 * 9 * 24 * 24,
      activationBytes: 4 * 2 * 32 * 24 * 24,
    });
    expect(of('feature_extractor.relu2')).toMatchObject({
      macs: 0,
      parameters: 0,
      activationBytes: 4 * 2 * 32 * 12 * 12,
    });
    expect(of('classifier.fc1')).toMatchObject({
      macs: 2 * 1024 * 200,
      parameters: 1024 * 200 + 200,
      output: [2, 200],
    });
    expect(of('classifier')).toMatchObject({ macs: 0, parameters: 0, activationBytes: 0, output: [2, 10] });
    expect(rows.reduce((sum, row) => sum + row.activationBytes, 0)).toBe(activationBytes);
    model.dispose();
  });

  it('shows layers that evaluation merges, whatever the mode, and what a block does by itself', () => {
    const model = resnet18({ device, width: 0.0625 }).eval();
    const { rows, parameters, bufferBytes } = summary(model, [1, 3, 16, 16]);
    const names = rows.map(({ name }) => name);
    for (const name of model.namedModules().keys()) {
      // A shortcut that is the identity has nothing to call.
      if (!name.endsWith('shortcut')) expect(names, name).toContain(name);
    }
    const row = rows.find(({ name }) => name === 'layer2.0');
    // The first activation, the sum and the second, [1, 8, 8, 8] each.
    expect(row).toMatchObject({ type: 'ResidualBlock', macs: 0, parameters: 0, activationBytes: 3 * 4 * 8 * 8 * 8 });
    expect(parameters).toBe(model.parameters().reduce((sum, { size }) => sum + size, 0));
    expect(bufferBytes).toBe(4 * model.buffers().reduce((sum, { size }) => sum + size, 0));
    model.dispose();
  });

  it('counts every product: groups, dilation, transposed convolutions, matrices', () => {
    class Products extends Module {
      readonly grouped = new Conv2d(4, 6, [3, 2], { device, groups: 2, dilation: 2, padding: 1 });
      readonly up = new ConvTranspose2d(6, 3, 2, { device, stride: 2 });
      readonly last = new Linear(5, 7, { device, bias: false });
      forward(x: Tensor): Tensor {
        const rows = this.up.forward(this.grouped.forward(x)).reshape([-1, 5]);
        return matmul(this.last.forward(rows), this.last.weight);
      }
    }
    const model = new Products();
    const { rows } = summary(model, [2, 4, 7, 5]);
    expect(rows.map(({ name, output, macs }) => [name, output, macs])).toEqual([
      ['', [120, 5], 120 * 7 * 5],
      // Every element of the output takes 2 channels by 3 by 2 taps.
      ['grouped', [2, 6, 5, 5], 2 * 6 * 5 * 5 * (2 * 3 * 2)],
      // Every element of the input goes to 3 channels by 2 by 2 places.
      ['up', [2, 3, 10, 10], 2 * 6 * 5 * 5 * (3 * 2 * 2)],
      ['last', [120, 7], 120 * 5 * 7],
    ]);
    model.dispose();
  });

  it('counts batched products, whose batches are broadcast', () => {
    class Batched extends Module {
      readonly other = tensor(uniformFloats(120, 1), { device, shape: [5, 4, 6] });
      forward(x: Tensor): Tensor {
        return matmul(x, this.other);
      }
    }
    const { macs, rows } = summary(new Batched(), [2, 1, 3, 4], { device });
    expect(rows[0]?.output).toEqual([2, 5, 3, 6]);
    expect(macs).toBe(2 * 5 * 3 * 6 * 4);
  });

  it('counts a shared layer once for every call, its parameters once, and what is not called', () => {
    class Odd extends Module {
      readonly shared = new Linear(3, 3, { device });
      readonly unused = new Linear(2, 2, { device });
      readonly relu = new ReLU();
      forward(x: Tensor): Tensor {
        return this.shared.forward(add(this.shared.forward(x), 1));
      }
    }
    const model = new Odd();
    const { rows, parameters } = summary(model, [4, 3]);
    expect(rows.map(({ name, output, parameters: count, macs }) => [name, output, count, macs])).toEqual([
      ['', [4, 3], 0, 0],
      ['shared', [4, 3], 12, 36],
      ['shared', [4, 3], 0, 36],
      ['unused', undefined, 6, 0],
    ]);
    expect(parameters).toBe(18);
    model.dispose();
  });

  it('changes nothing: values, statistics, generators, modes, memory', async () => {
    const generator = new Generator(3, { purpose: 'dropout' });
    const x = tensor(uniformFloats(2 * 3 * 64, 1, 0, 1), { device, shape: [2, 3, 8, 8] });
    const model = resnet18({ device, width: 0.0625, generator: new Generator(1) });
    model.children().get('layer1')?.eval();
    const before = { state: await saveStateDict(model), modes: model.modules().map((each) => each.training) };
    const { dispatches, submits, buffers } = device.counters;
    const memory = device.memory();
    summary(model, [2, 3, 8, 8]);
    expect(device.counters).toMatchObject({ dispatches, submits, buffers });
    expect(device.memory()).toEqual(memory);
    expect(await saveStateDict(model)).toEqual(before.state);
    expect(model.modules().map((each) => each.training)).toEqual(before.modes);
    expect(Object.hasOwn(model, 'forward')).toBe(false);
    expect(device.inspector).toBeUndefined();
    expect(model.forward(x).shape).toEqual([2, 10]);
    const net = cnn4({ device, width: 0.1, dropoutGenerator: generator });
    const drawn = generator.state();
    summary(net, [1, 1, 28, 28]);
    expect(generator.state()).toEqual(drawn);
    model.dispose();
    net.dispose();
  });

  it('leaves everything as it was where the input does not fit', () => {
    const model = new Sequential(new Linear(3, 2, { device }));
    expect(() => summary(model, [4, 5])).toThrow(/linear: input \[4, 5\]/);
    expect(Object.hasOwn(model, 'forward')).toBe(false);
    expect(device.inspector).toBeUndefined();
    expect(device.capturing).toBeUndefined();
    model.dispose();
  });

  it('takes a device for what has none of its own', () => {
    class Plain extends Module {
      forward(x: Tensor): Tensor {
        return relu(x);
      }
    }
    expect(() => summary(new Plain(), [2, 3])).toThrow(/no device of its own/);
    expect(summary(new Plain(), [2, 3], { device })).toMatchObject({ parameters: 0, macs: 0, activationBytes: 24 });
  });
});

describe('formatSummary', () => {
  it('is a table with aligned columns', () => {
    class Net extends Module {
      readonly fc = new Linear(300, 5, { device });
      readonly relu = new ReLU();
      forward(x: Tensor): Tensor {
        return this.relu.forward(this.fc.forward(x));
      }
    }
    const model = new Net();
    expect(formatSummary(summary(model, [128, 300]))).toBe(
      [
        'layer  type    output    parameters     MACs  activations',
        '---------------------------------------------------------',
        '(all)  Net     [128, 5]           -        -            -',
        'fc     Linear  [128, 5]       1,505  192,000      2.5 KiB',
        'relu   ReLU    [128, 5]           -        -      2.5 KiB',
        '---------------------------------------------------------',
        'total                         1,505  192,000      5.0 KiB',
        'input [128, 300]; parameters 5.9 KiB, buffers 0 B, activations 5.0 KiB; 384,000 floating-point operations',
      ].join('\n'),
    );
    model.dispose();
  });
});
