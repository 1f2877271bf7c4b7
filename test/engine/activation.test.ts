import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  elu,
  gelu,
  grad,
  leakyRelu,
  silu,
  softplus,
  sum,
  tensor,
  zerosLike,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  leakyRelu,
  elu,
  gelu,
  geluTanh: (x) => gelu(x, { approximate: 'tanh' }),
  silu,
  softplus,
};

/** Value, first and second derivative at each point. */
async function jet(call: (x: Tensor) => Tensor, points: readonly number[]): Promise<number[][]> {
  const x = tensor([...points], { device }).requireGrad();
  const y = call(x);
  const [first] = grad(sum(y), [x], { createGraph: true });
  if (!first) throw new RangeError('no gradient');
  // A slope that does not depend on x (a leaky rectifier's) has no graph.
  const second = first.tracksGrad ? grad(sum(first), [x])[0] : zerosLike(x);
  return Promise.all([y, first, second].map(async (part) => [...((await part?.data()) ?? [])]));
}

describe('activations', () => {
  it.each(Object.entries(activations))('%s does not overflow, nor do its derivatives', async (_, call) => {
    const [y = [], first = [], second = []] = await jet(call, [1e4, 100, 30, -30, -100, -1e4]);
    const left = call === leakyRelu ? [-0.3, -1, -100] : call === elu ? [-1, -1, -1] : [0, 0, 0];
    for (const [index, expected] of [1e4, 100, 30, ...left].entries()) expect(y[index]).toBeCloseTo(expected, 3);
    const slope = call === leakyRelu ? 0.01 : 0;
    for (const [index, expected] of [1, 1, 1, slope, slope, slope].entries()) {
      expect(first[index]).toBeCloseTo(expected, 5);
      expect(second[index]).toBeCloseTo(0, 5);
    }
  });

  it("take PyTorch's derivatives where the function switches", async () => {
    const at = async (call: (x: Tensor) => Tensor): Promise<number[]> => (await jet(call, [0])).flat();
    expect(await at((x) => leakyRelu(x, 0.25))).toEqual([0, 0.25, 0]);
    expect(await at((x) => elu(x, 0.5))).toEqual([0, 0.5, 0.5]);
    const [, first = [], second = []] = await jet((x) => softplus(x, { threshold: 2 }), [2, 2.5]);
    expect(first[0]).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
    expect(first[1]).toBe(1);
    expect(second[1]).toBe(0);
  });

  it('refuse what has no meaning', () => {
    expect(() => softplus(tensor([1], { device }), { beta: 0 })).toThrow(ArgumentError);
  });
});
