import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShapeError, grad, maxPool2d, tensor, zeros, type Device, type Pair } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { expectDerivatives, expectForward, type OpCheck } from '../support/op-check.js';
import { build, type NdArray, type Reference } from '../support/reference.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

interface Window {
  readonly kernel: Pair;
  readonly stride?: Pair;
  readonly padding?: Pair;
}

const pair = (value: Pair): readonly [number, number] => (typeof value === 'number' ? [value, value] : value);

/** Pooling by its definition: `combine` of the window's elements that lie inside, in row-major order. */
function pooling(window: Window, combine: (values: number[]) => number): Reference {
  const [kernel, padding] = [pair(window.kernel), pair(window.padding ?? 0)];
  const stride = pair(window.stride ?? window.kernel);
  return ([x]) => {
    if (!x) throw new RangeError('pooling takes one input');
    const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
    const extent = (size: number, axis: 0 | 1) =>
      Math.floor((size + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1;
    return build([batch, channels, extent(height, 0), extent(width, 1)], ([n = 0, c = 0, i = 0, j = 0]) => {
      const values: number[] = [];
      for (let r = 0; r < kernel[0]; r++) {
        for (let s = 0; s < kernel[1]; s++) {
          const [row, column] = [i * stride[0] - padding[0] + r, j * stride[1] - padding[1] + s];
          if (row < 0 || row >= height || column < 0 || column >= width) continue;
          values.push(x.data[((n * channels + c) * height + row) * width + column] ?? Number.NaN);
        }
      }
      return combine(values);
    });
  };
}

/** Windows with and without overlap, gaps, padding and remainders, in rows that do and do not divide into vectors. */
const windows: readonly (Window & { readonly shape: NdArray['shape'] })[] = [
  { shape: [2, 3, 8, 8], kernel: 2 },
  { shape: [1, 2, 7, 4], kernel: 2 },
  { shape: [1, 2, 5, 5], kernel: 2 },
  { shape: [1, 1, 1, 1], kernel: 1 },
  { shape: [1, 2, 7, 9], kernel: 3, stride: 2, padding: 1 },
  { shape: [1, 1, 4, 8], kernel: 3, stride: 2, padding: 1 },
  { shape: [1, 1, 5, 8], kernel: 3, stride: 1, padding: 1 },
  { shape: [1, 1, 6, 8], kernel: [2, 3], stride: [1, 4], padding: [1, 0] },
  { shape: [1, 2, 6, 7], kernel: 2, stride: 3 },
  { shape: [1, 1, 4, 8], kernel: [3, 2], stride: [2, 2], padding: [1, 0] },
  { shape: [1, 2, 8, 8], kernel: 5, stride: 2, padding: 2 },
  { shape: [1, 2, 6, 6], kernel: 6 },
];

const checks = windows.map((window): OpCheck => {
  const { shape, kernel, ...options } = window;
  return {
    name: JSON.stringify(window),
    shapes: [shape],
    call: ([x]) => x && maxPool2d(x, kernel, options),
    definition: pooling(window, (values) => Math.max(...values)),
  };
});

describe('maxPool2d', () => {
  it.each(checks)('$name computes its definition', (check) => expectForward(device, check, { forward: 0 }));
  it.each(checks)('$name has its derivatives', (check) => expectDerivatives(device, check));

  it('takes the first of equal elements, with one gradient each', async () => {
    for (const width of [4, 5]) {
      const x = zeros([1, 1, 4, width], { device }).requireGrad();
      const [dx] = grad(maxPool2d(x, 2).sum(), [x]);
      const expected = Array.from({ length: 4 * width }, (_, i) =>
        Number(Math.floor(i / width) % 2 === 0 && i % width < 4 && (i % width) % 2 === 0),
      );
      expect([...((await dx?.data()) ?? [])]).toEqual(expected);
    }
  });

  it('pads with nothing that could win: the most negative numbers stay themselves', async () => {
    const low = -3.4028234663852886e38;
    const x = tensor(new Float32Array(9).fill(low), { shape: [1, 1, 3, 3], device });
    expect([...(await maxPool2d(x, 3, { stride: 1, padding: 1 }).data())]).toEqual(new Array(9).fill(low));
  });

  it('counts many planes, and planes of one element', async () => {
    const x = tensor(
      Float32Array.from({ length: 70_001 }, (_, i) => i),
      { shape: [70_001, 1, 1, 1], device },
    );
    const y = await maxPool2d(x, 1).data();
    expect(y.every((value, i) => value === i)).toBe(true);
  });

  it('says what would be right', () => {
    const x = zeros([1, 1, 4, 4], { device });
    expect(() => maxPool2d(x, 5)).toThrow(ShapeError);
    expect(() => maxPool2d(x, 2, { padding: 2 })).toThrow(/at most half the kernel/);
    expect(() => maxPool2d(x, 2, { stride: 0 })).toThrow(/positive integers/);
    expect(() => maxPool2d(zeros([4, 4], { device }), 2)).toThrow(/\[N, C, H, W\]/);
  });
});
