/** The networks of the golden groups `nets` and `models`: logits, gradients and running statistics, as they are and compiled. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, crossEntropy, grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { ACTIVATIONS, Cnn4, PreActResNet, ResNet, wrn, type Module } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, goldenTolerance, loadGolden, type GoldenCase } from '../support/golden.js';
import { generated, networkOf, type GeneratedNetwork } from './generated-network.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

function built(golden: GoldenCase, { config }: GeneratedNetwork): Module {
  const [classes, inChannels] = [config.number('classes'), config.number('in_channels')];
  const activation = ACTIVATIONS.find((name) => name === config.get('activation')) ?? 'relu';
  const common = { device, classes, inChannels, activation };
  const width = (): number => config.number('width') / 64;
  switch (golden.string('arch')) {
    case 'resnet': {
      const block = config.get('bottleneck') === true ? 'bottleneck' : 'basic';
      return new ResNet(config.numbers('blocks'), { ...common, width: width() }, block);
    }
    case 'preact':
      return new PreActResNet(config.numbers('blocks'), { ...common, width: width() });
    case 'wrn':
      return wrn({ ...common, depth: config.number('depth'), widen: config.number('k') });
    case 'cwnet':
      return new Cnn4({
        ...common,
        channels: [config.number('c1'), config.number('c2')],
        hidden: config.number('f'),
        imageSize: config.number('size'),
        dropout: 0,
      });
    default:
      throw new Error(`no network '${golden.string('arch')}'`);
  }
}

/** Every parameter and statistic, from the generator, which is checked where the case says what it gives. */
function load(model: Module, network: GeneratedNetwork): void {
  const state = network.params.map(({ name, shape, ...recipe }) => {
    const data = generated(shape, recipe);
    const [first, last] = network.firstAndLast.get(name) ?? [data[0], data.at(-1)];
    expect([data[0], data.at(-1)], name).toEqual([first, last]);
    return [name, { dtype: 'F32', shape, data }] as const;
  });
  const { missing, unexpected } = model.loadStateDict(Object.fromEntries(state), { strict: false });
  expect(unexpected).toEqual([]);
  expect(missing.every((name) => name.endsWith('num_batches_tracked'))).toBe(true);
}

async function check(golden: GoldenCase, mode: 'eval' | 'train', compiled: boolean): Promise<void> {
  const network = networkOf(golden.attrs);
  const model = built(golden, network);
  load(model, network);
  model.train(mode === 'train');
  const named = model.namedParameters();
  expect([...named.keys()]).toEqual(network.order);
  expect([...named.values()].reduce((sum, { size }) => sum + size, 0)).toBe(network.parameterCount);

  const { shape, ...recipe } = network.input;
  const x = tensor(generated(shape, recipe), { device, shape });
  const labels = tensor(Int32Array.from(network.labels), { device });
  const pass = (images: Tensor, y: Tensor) => {
    const input = images.detach().requireGrad();
    const logits = model.forward(input);
    const loss = crossEntropy(logits, y, { reduction: 'sum' });
    return { logits, loss, gradients: grad(loss, [input, ...named.values()]) };
  };
  const run = compiled ? compile(pass) : undefined;
  const { logits, loss, gradients } = (run ?? pass)(x, labels);

  const tolerance = mode === 'eval' ? goldenTolerance.netsEval : goldenTolerance.netsTrain;
  const expected = [...golden.outputs.keys()].filter((name) => name.startsWith(`${mode}.`));
  const compared: string[] = [];
  const compare = (values: ArrayLike<number>, name: string): void => {
    expectGolden(values, golden.output(`${mode}.${name}`), tolerance, `${golden.id} ${mode}.${name}`);
    compared.push(`${mode}.${name}`);
  };
  compare(await logits.floats(), 'logits');
  compare(await loss.floats(), 'loss_sum');
  const [dx = [], ...values] = await Promise.all(gradients.map((gradient) => gradient.floats()));
  compare(dx, 'd_x');
  compare(values.map(norm), 'param_grad_norms');
  const dots = values.map((gradient) => {
    const direction = generated([gradient.length], { seed: 77, offset: 0, scale: 1 });
    return gradient.reduce((sum, value, index) => sum + value * (direction[index] ?? 0), 0);
  });
  compare(dots, 'param_grad_dots');
  for (const [index, name] of network.order.entries()) {
    if (golden.outputs.has(`${mode}.d_${name}`)) compare(values[index] ?? [], `d_${name}`);
  }
  const buffers = model.namedBuffers();
  const statistics = network.params.filter(({ learned }) => !learned).map(({ name }) => name);
  const held = await Promise.all(statistics.map(async (name) => (await buffers.get(name)?.floats()) ?? []));
  if (mode === 'train' && statistics.length > 0) compare(held.map(norm), 'new_stat_norms');
  for (const [index, name] of statistics.entries()) {
    if (golden.outputs.has(`${mode}.new_${name}`)) compare(held[index] ?? [], `new_${name}`);
    // In evaluation they stay, to the bit.
    const { shape: size, ...start } = network.params.find((each) => each.name === name) ?? network.input;
    if (mode === 'eval') expect(held[index], name).toEqual(generated(size, start));
  }
  expect(compared.sort()).toEqual(expected.sort());
  run?.dispose();
  model.dispose();
}

function norm(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, value) => sum + value ** 2, 0));
}

const CASES = (['nets', 'models'] as const).flatMap((group) => loadGolden(group).cases);
const MODES = CASES.flatMap((golden) => {
  const modes = (['eval', 'train'] as const).filter((mode) => golden.outputs.has(`${mode}.logits`));
  return modes.map((mode) => ({ id: golden.id, mode, golden }));
});

describe('the reference networks', () => {
  it('are all of the golden groups', () => {
    expect(MODES.map(({ id, mode }) => `${id} ${mode}`)).toEqual([
      ...['resnet18-w8 eval', 'resnet18-w8 train', 'wrn-10-1 eval', 'wrn-10-1 train'],
      ...['bottleneck-w4 eval', 'bottleneck-w4 train', 'cwnet-small eval'],
      ...['preactresnet18-w8 eval', 'preactresnet18-w8 train'],
      ...['preactresnet-w4-silu eval', 'preactresnet-w4-silu train'],
      ...['resnet-w4-silu eval', 'resnet-w4-silu train', 'cwnet-silu eval'],
    ]);
  });

  it.each(MODES)('$id has its logits, gradients and statistics in mode $mode', async ({ golden, mode }) => {
    await check(golden, mode, false);
  });

  it.each(MODES)('$id has them compiled in mode $mode', async ({ golden, mode }) => {
    await check(golden, mode, true);
  });
});
