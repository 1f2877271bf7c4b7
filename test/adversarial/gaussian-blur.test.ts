import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gaussianBlur, gaussianBlurAttack } from '../../adversarial/index.js';
import {
  ArgumentError,
  Generator,
  ShapeError,
  compile,
  concat,
  flatten,
  slice,
  tensor,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';
import { SmallNet } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const scoped = (body: () => Promise<void>) => () => device.scope(body);

/** SciPy 1.17's `gaussian_filter` of the image of 4 by 5 whose pixel k is ((7 k) mod 19) / 19. */
const SCIPY: [number, number[]][] = [
  [
    0.6,
    [
      0.1780013, 0.368573, 0.5700861, 0.3583428, 0.4137662, 0.5958885, 0.3521751, 0.5507124, 0.6663517, 0.3939677,
      0.603904, 0.3332169, 0.4488496, 0.6195704, 0.2647065, 0.5862338, 0.6416572, 0.4277856, 0.492022, 0.134189,
    ],
  ],
  [
    2.5,
    [
      0.4528493, 0.4508017, 0.4468114, 0.4419698, 0.4385449, 0.4589517, 0.4554195, 0.4490496, 0.4418577, 0.4369934,
      0.467531, 0.4618967, 0.4521566, 0.4416352, 0.4347311, 0.4735546, 0.4664326, 0.4543069, 0.4414276, 0.4330787,
    ],
  ],
];

const ints = (values: readonly number[]): Tensor => tensor(values, { device, dtype: 'i32' });

/** Two logits: class 0 while the first pixel's distance from the last, squared, is over a bound. */
function contrast(bound: number): (x: Tensor) => Tensor {
  return (x) => {
    const pixels = flatten(x, 1);
    const last = pixels.shape[1] ?? 0;
    const gap = slice(pixels, [null, { end: 1 }]).sub(slice(pixels, [null, { start: last - 1 }]));
    return concat([gap.square(), gap.mul(0).add(bound)], 1);
  };
}

describe('gaussianBlur', () => {
  it.each(SCIPY)('of sigma %f is that of SciPy, channel by channel', async (sigma, expected) => {
    await device.scope(async () => {
      const image = Array.from({ length: 20 }, (_, k) => ((7 * k) % 19) / 19);
      const halved = image.map((value) => value / 2);
      const x = tensor([...image, ...halved], { device, shape: [1, 2, 4, 5] });
      // Any change fools it.
      const natural = tensor(halved.concat(image), { device, shape: [40] });
      const sensitive = (each: Tensor): Tensor => {
        const total = flatten(each, 1).mul(natural).sum(1, { keepDim: true });
        const own = flatten(x, 1).mul(natural).sum(1, { keepDim: true });
        return concat([total.mul(0), total.sub(own).abs()], 1);
      };
      const values = await gaussianBlur(sensitive, x, ints([0]), { sigmas: [sigma] }).floats();
      [...expected, ...expected.map((value) => value / 2)].forEach((value, at) => {
        expect(values[at]).toBeCloseTo(value, 5);
      });
    });
  });

  it(
    'takes the smallest sigma that fools, for each sample its own, and leaves the others alone',
    scoped(async () => {
      const [m, h, w] = [30, 6, 6];
      const values = uniformFloats(m * h * w, 9, 0, 1);
      const x = tensor(values, { device, shape: [m, 1, h, w] });
      const sigmas = [0.4, 0.8, 1.5, 3];
      const model = contrast(0.02);
      const gap = (each: ArrayLike<number>, row: number): number => {
        return ((each[row * h * w] ?? NaN) - (each[(row + 1) * h * w - 1] ?? NaN)) ** 2;
      };
      const found = await gaussianBlur(model, x, ints(new Array<number>(m).fill(0)), { sigmas }).floats();
      // Blurred by each sigma, whatever the model says.
      const never = (each: Tensor): Tensor => {
        const gapped = flatten(each, 1).sum(1, { keepDim: true }).mul(0);
        return concat([gapped, gapped.add(1)], 1);
      };
      const always = (each: Tensor): Tensor => concat([never(each), contrast(0)(each).mul(0).add(2)], 1);
      expect(await gaussianBlur(always, x, ints(new Array<number>(m).fill(2)), { sigmas }).floats()).toEqual(values);
      const blurred: Float32Array[] = [];
      for (const sigma of sigmas) {
        let asked = 0;
        // The natural images are right, the blurred ones wrong.
        const second = (each: Tensor): Tensor => {
          const zero = flatten(each, 1).sum(1, { keepDim: true }).mul(0);
          return concat(asked++ === 0 ? [zero.add(1), zero] : [zero, zero.add(1)], 1);
        };
        blurred.push(await gaussianBlur(second, x, ints(new Array<number>(m).fill(0)), { sigmas: [sigma] }).floats());
      }
      const taken = new Set<number>();
      for (let row = 0; row < m; row++) {
        const options = [values, ...blurred];
        const first = options.findIndex((each) => gap(each, row) < 0.02);
        taken.add(first);
        const expected = (options[Math.max(first, 0)] ?? values).subarray(row * h * w, (row + 1) * h * w);
        expect(found.subarray(row * h * w, (row + 1) * h * w), `sample ${row}`).toEqual(expected);
      }
      expect(taken.size).toBeGreaterThan(3);
    }),
  );

  it(
    'keeps the range, works on lines and pixels, and larger sigmas than images',
    scoped(async () => {
      for (const shape of [
        [3, 1, 1, 1],
        [3, 2, 1, 7],
        [3, 1, 5, 2],
      ]) {
        const size = shape.reduce((product, length) => product * length, 1);
        const x = tensor(uniformFloats(size, 2, -0.5, 1.5), { device, shape }).clamp({ min: 0, max: 1 });
        const values = await gaussianBlur(contrast(0.001), x, ints([0, 0, 0]), { sigmas: [1, 30] }).floats();
        expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...values)).toBeLessThanOrEqual(1 + 1e-6);
      }
    }),
  );

  it(
    'is an attack that can be compiled, and leaves modes alone',
    scoped(async () => {
      const net = new SmallNet(device);
      const x = tensor(uniformFloats(4 * 36, 2, 0, 1), { device, shape: [4, 1, 6, 6] });
      const labels = ints([0, 1, 2, 0]);
      const attack = gaussianBlurAttack();
      expect(attack.settings).toEqual({ attack: 'gaussian-blur', sigmas: '0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8' });
      const run = (images: Tensor, classes: Tensor): Tensor =>
        attack.run(net, images, classes, { generator: new Generator(1) });
      const eager = await run(x, labels).floats();
      const compiled = compile(run);
      for (let i = 0; i < 2; i++) {
        (await compiled(x, labels).floats()).forEach((value, at) => expect(value).toBeCloseTo(eager[at] ?? NaN, 5));
      }
      compiled.dispose();
      expect(net.modules().every(({ training }) => training)).toBe(true);
      net.dispose();
    }),
  );

  it('refuses sigmas that do not grow, and what are no images', () => {
    for (const sigmas of [[], [0], [1, 1], [2, 1], [NaN], [Infinity]]) {
      expect(() => gaussianBlurAttack({ sigmas })).toThrow(ArgumentError);
    }
    expect(() => gaussianBlurAttack({ sigmas: [2, 1] })).toThrow(/sigmas are 2, 1; expected some above 0, growing/);
    device.scope(() => {
      const x = tensor([[1, 2, 3]], { device });
      expect(() => gaussianBlur((each) => each, x, ints([0]))).toThrow(ShapeError);
    });
  });
});
