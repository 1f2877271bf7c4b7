/** Optimisers of more parameters than a kernel can bind at once: in parts, with the same bits. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LimitError, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { AdamW, RMSprop, SGD, clipGradNorm, clipGradValue, type Optimizer } from '../../nn/index.js';
import { partsOf } from '../../nn/optim/flat-layout.js';
import { ownDevice, testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

/** Bytes that the narrow device binds at most. */
const LIMIT = 4096;

let wide: Device;
let narrow: Device;
beforeAll(async () => {
  wide = await testDevice();
  narrow = await ownDevice();
  const { limits } = narrow.gpu;
  const narrowed = new Proxy(limits, {
    get: (of, name) => (name === 'maxStorageBufferBindingSize' ? LIMIT : (Reflect.get(of, name, of) as unknown)),
  });
  Object.defineProperty(narrow.gpu, 'limits', { value: narrowed });
});
afterAll(() => {
  for (const device of [wide, narrow]) device.destroy();
});

// One of them lies across the end of a part.
const SHAPES = [[5], [30, 30], [700], [3, 3, 64], [1]];
const valuesOf = (device: Device, seed: number): Tensor[] =>
  SHAPES.map((shape, index) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return tensor(uniformFloats(size, seed + index, -1, 1), { device, shape });
  });
const floats = (tensors: readonly Tensor[]): Promise<unknown[]> => Promise.all(tensors.map((each) => each.data()));

it('has a device here that binds little', () => {
  expect(() => zeros([LIMIT / 4 + 1], { device: narrow })).toThrow(LimitError);
  const { range } = narrow.emptyInParts((2 * LIMIT + 256) / 4);
  const parts = partsOf(narrow, [range]);
  expect(parts.map(({ ranges, vectors }) => [ranges[0]?.offset, ranges[0]?.size, vectors])).toEqual([
    [0, LIMIT, LIMIT / 16],
    [LIMIT, LIMIT, LIMIT / 16],
    [2 * LIMIT, 256, 16],
  ]);
  expect(partsOf(wide, [range])).toEqual([{ ranges: [range], vectors: range.size / 16 }]);
});

it.each<[string, (parameters: Tensor[]) => Optimizer]>([
  ['SGD', (parameters) => new SGD(parameters, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 })],
  ['AdamW', (parameters) => new AdamW(parameters)],
  ['RMSprop', (parameters) => new RMSprop(parameters, { momentum: 0.5, centered: true })],
])('%s and averages of its parameters have the same bits in parts', async (_, make) => {
  const run = async (device: Device): Promise<unknown[]> => {
    const parameters = valuesOf(device, 1);
    const optimizer = make(parameters);
    const average = optimizer.average({ decay: 0.5 });
    for (const step of [1, 2, 3]) {
      optimizer.step(valuesOf(device, 10 * step));
      average.update();
    }
    average.swap();
    const state = [...optimizer.stateDict().values()].flatMap((value) => ('device' in value ? [value] : []));
    const result = [await floats(parameters), await floats(average.averages), await floats(state)];
    for (const each of [average, optimizer]) each.dispose();
    return result;
  };
  expect(await run(narrow)).toEqual(await run(wide));
});

it('clips by value with the same bits, and by norm to within rounding', async () => {
  const clipped = (device: Device): Promise<unknown[]> => floats(clipGradValue(valuesOf(device, 5), 0.5));
  expect(await clipped(narrow)).toEqual(await clipped(wide));
  const gradients = valuesOf(narrow, 5);
  const squares = (await Promise.all(gradients.map((each) => each.floats()))).flatMap((values) =>
    Array.from(values, (value) => value ** 2),
  );
  const expected = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
  const { gradients: scaled, norm } = clipGradNorm(gradients, 2);
  expect(Math.abs((await norm.item()) / expected - 1)).toBeLessThan(1e-6);
  for (const [index, each] of scaled.entries()) {
    const before = (await gradients[index]?.floats()) ?? [];
    const far = (await each.floats()).filter(
      (value, at) => !(Math.abs(value - (before[at] ?? NaN) * (2 / expected)) < 1e-6),
    );
    expect(far).toHaveLength(0);
  }
});
