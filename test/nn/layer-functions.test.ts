import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Generator,
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  avgPool2d,
  conv2d,
  convTranspose2d,
  elu,
  embedding,
  gelu,
  grad,
  groupNorm,
  instanceNorm2d,
  layerNorm,
  leakyRelu,
  maxPool2d,
  rand,
  sigmoid,
  silu,
  softplus,
  tanh,
  tensor,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import {
  AdaptiveAvgPool2d,
  AdaptiveMaxPool2d,
  AvgPool2d,
  Conv2d,
  ConvTranspose2d,
  ELU,
  Embedding,
  GELU,
  GroupNorm,
  InstanceNorm2d,
  LayerNorm,
  LeakyReLU,
  MaxPool2d,
  SiLU,
  Sigmoid,
  Softplus,
  Tanh,
  type Module,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** A layer, what it takes, its parameters' names, and the function that it is. */
interface LayerCase {
  readonly name: string;
  readonly make: () => Module & { readonly weight?: Tensor | null; readonly bias?: Tensor | null };
  readonly shape: number[];
  readonly names?: string[];
  readonly call: (x: Tensor, weight: Tensor | null, bias: Tensor | null) => Tensor;
}

const AFFINE = ['weight', 'bias'];

const CASES: LayerCase[] = [
  {
    name: 'ConvTranspose2d',
    make: () => new ConvTranspose2d(4, 6, [3, 2], { device, stride: 2, outputPadding: [1, 0], groups: 2, padding: 1 }),
    shape: [2, 4, 3, 5],
    names: AFFINE,
    call: (x, weight, bias) =>
      weight ? convTranspose2d(x, weight, bias, { stride: 2, outputPadding: [1, 0], groups: 2, padding: 1 }) : x,
  },
  {
    name: "Conv2d with padding 'same'",
    make: () => new Conv2d(2, 3, [2, 3], { device, padding: 'same', bias: false }),
    shape: [1, 2, 4, 5],
    names: ['weight'],
    call: (x, weight, bias) => (weight ? conv2d(x, weight, bias, { padding: 'same' }) : x),
  },
  {
    name: 'LayerNorm',
    make: () => new LayerNorm([3, 4], { device }),
    shape: [2, 3, 4],
    names: AFFINE,
    call: (x, weight, bias) => layerNorm(x, [3, 4], { weight, bias }),
  },
  {
    name: 'GroupNorm',
    make: () => new GroupNorm(2, 4, { device, eps: 0.1 }),
    shape: [2, 4, 3],
    names: AFFINE,
    call: (x, weight, bias) => groupNorm(x, 2, { weight, bias, eps: 0.1 }),
  },
  {
    name: 'InstanceNorm2d',
    make: () => new InstanceNorm2d(3, { device }),
    shape: [2, 3, 2, 2],
    call: (x) => instanceNorm2d(x),
  },
  {
    name: 'InstanceNorm2d with weights',
    make: () => new InstanceNorm2d(3, { device, affine: true }),
    shape: [2, 3, 2, 2],
    names: AFFINE,
    call: (x, weight, bias) => instanceNorm2d(x, { weight, bias }),
  },
  {
    name: 'MaxPool2d',
    make: () => new MaxPool2d(2, { ceilMode: true }),
    shape: [1, 1, 5, 5],
    call: (x) => maxPool2d(x, 2, { ceilMode: true }),
  },
  {
    name: 'AvgPool2d',
    make: () => new AvgPool2d(3, { stride: 2, padding: 1, countIncludePad: false }),
    shape: [1, 2, 6, 5],
    call: (x) => avgPool2d(x, 3, { stride: 2, padding: 1, countIncludePad: false }),
  },
  {
    name: 'AdaptiveAvgPool2d',
    make: () => new AdaptiveAvgPool2d([3, null]),
    shape: [1, 2, 7, 5],
    call: (x) => adaptiveAvgPool2d(x, [3, 5]),
  },
  {
    name: 'AdaptiveMaxPool2d',
    make: () => new AdaptiveMaxPool2d(2),
    shape: [1, 2, 7, 5],
    call: (x) => adaptiveMaxPool2d(x, 2),
  },
  { name: 'Sigmoid', make: () => new Sigmoid(), shape: [5], call: (x) => sigmoid(x) },
  { name: 'Tanh', make: () => new Tanh(), shape: [5], call: (x) => tanh(x) },
  { name: 'SiLU', make: () => new SiLU(), shape: [5], call: (x) => silu(x) },
  { name: 'LeakyReLU', make: () => new LeakyReLU(0.2), shape: [5], call: (x) => leakyRelu(x, 0.2) },
  { name: 'ELU', make: () => new ELU(2), shape: [5], call: (x) => elu(x, 2) },
  {
    name: 'GELU',
    make: () => new GELU({ approximate: 'tanh' }),
    shape: [5],
    call: (x) => gelu(x, { approximate: 'tanh' }),
  },
  { name: 'Softplus', make: () => new Softplus({ beta: 2 }), shape: [5], call: (x) => softplus(x, { beta: 2 }) },
];

describe('a layer is its function with its own parameters', () => {
  it.each(CASES)('$name', async ({ make, shape, names = [], call }) => {
    const layer = make();
    expect([...layer.stateDict().keys()]).toEqual(names);
    for (const parameter of layer.parameters()) {
      parameter.copyFrom(rand(parameter.shape, { device, bound: 1, generator: new Generator(1) }));
    }
    const x = rand(shape, { device, bound: 2, generator: new Generator(2) }).requireGrad();
    const y = layer.forward(x);
    expect(await y.data()).toEqual(await call(x, layer.weight ?? null, layer.bias ?? null).data());
    const leaves = [x, ...layer.parameters()];
    const gradients = grad(y.sum(), leaves);
    expect(gradients.map((gradient) => gradient.shape)).toEqual(leaves.map((leaf) => leaf.shape));
    layer.dispose();
  });

  it('refuses sizes that cannot be', () => {
    expect(() => new ConvTranspose2d(3, 4, 2, { device, groups: 2 })).toThrow(
      /ConvTranspose2d: 2 groups do not divide/,
    );
    expect(() => new GroupNorm(3, 4, { device })).toThrow(/GroupNorm: 3 groups do not divide 4 channels/);
    expect(() => new LayerNorm([2, 0], { device })).toThrow(/LayerNorm: normalizedShape is 0/);
    expect(() => new LayerNorm(2, { device, eps: -1 })).toThrow(/LayerNorm: eps is -1/);
    expect(() => new AvgPool2d(0)).toThrow(/AvgPool2d: kernelSize is 0/);
  });
});

describe('Embedding', () => {
  it('looks rows up, from a normal table with zeros for the padding', async () => {
    const layer = new Embedding(500, 4, { device, paddingIdx: 2, generator: new Generator(3) });
    const indices = tensor(
      [
        [2, 7],
        [499, 0],
      ],
      { device, dtype: 'i32' },
    );
    const rows = layer.forward(indices);
    expect(rows.shape).toEqual([2, 2, 4]);
    expect(await rows.data()).toEqual(await embedding(indices, layer.weight).data());
    const values = await layer.weight.floats();
    expect([...values.slice(8, 12)]).toEqual([0, 0, 0, 0]);
    // 1,996 draws: the mean square has standard deviation sqrt(2 / 1996) = 0.032.
    const square = values.reduce((sum, value) => sum + value * value, 0) / 1996;
    expect(Math.abs(square - 1)).toBeLessThan(0.16);
    expect(() => new Embedding(3, 2, { device, paddingIdx: 3 })).toThrow(/Embedding: paddingIdx is 3; expected a row/);
    layer.dispose();
  });
});
