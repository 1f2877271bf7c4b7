import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentation, padCropFlip, type AugmentationOptions } from '../../data/augmentation.js';
import { colorJitter } from '../../data/color-jitter.js';
import { cutout } from '../../data/cutout.js';
import {
  ArgumentError,
  Generator,
  ShapeError,
  arange,
  compile,
  reshape,
  tensor,
  zeros,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const whole = (values: number[], shape: number[]) => tensor(values, { device, shape, dtype: 'i32' });

describe('padCropFlip', () => {
  it('cuts each image at its own place, and mirrors those that it is told', async () => {
    const images = reshape(arange(1, 13, { device, dtype: 'f32' }), [3, 1, 2, 2]);
    const cut = padCropFlip(images, whole([1, 1, 0, 2, 2, 0], [3, 2]), whole([1, 0, 0], [3]), 1);
    expect(await cut.toArray()).toEqual([
      [
        [
          [2, 1],
          [4, 3],
        ],
      ],
      [
        [
          [0, 0],
          [6, 0],
        ],
      ],
      [
        [
          [0, 11],
          [0, 0],
        ],
      ],
    ]);
  });

  it('is the identity without padding and flips', async () => {
    const images = reshape(arange(0, 36, { device, dtype: 'f32' }), [2, 2, 3, 3]);
    const same = padCropFlip(images, whole([0, 0, 0, 0], [2, 2]), whole([0, 0], [2]), 0);
    expect(await same.data()).toEqual(await images.data());
  });

  it('refuses what does not fit', () => {
    const [images, offsets, flips] = [zeros([2, 1, 4, 4], { device }), whole([0, 0, 0, 0], [2, 2]), whole([0, 0], [2])];
    expect(() => padCropFlip(images, offsets, flips, -1)).toThrow(/padCropFlip: padding -1; expected an integer/);
    expect(() => padCropFlip(images, flips, flips, 4)).toThrow(
      /offsets \[2\], flips \[2\]; expected \[n, c, h, w\], \[n, 2\]/,
    );
    expect(() => padCropFlip(images, offsets, zeros([2], { device }), 4)).toThrow(
      /got a tensor of dtype f32; expected i32/,
    );
  });
});

/** Images [n, c, h, w] of float32 values in [0, 1), and the numbers of one at a place. */
function someImages(shape: readonly [number, number, number, number], seed: number) {
  const [n, c, h, w] = shape;
  const values = uniformFloats(n * c * h * w, seed, 0, 1);
  const at = (i: number, channel: number, row: number, column: number): number =>
    row < 0 || row >= h || column < 0 || column >= w ? 0 : (values[((i * c + channel) * h + row) * w + column] ?? NaN);
  return { shape, values, at, tensor: tensor(values, { device, shape }) };
}

type Images = ReturnType<typeof someImages>;
type Pixel = (i: number, channel: number, row: number, column: number) => number;

/** All pixels of images in memory's order. */
function pixels([n, c, h, w]: readonly [number, number, number, number], pixel: Pixel): number[] {
  const out: number[] = [];
  for (let i = 0; i < n; i++)
    for (let k = 0; k < c; k++) for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out.push(pixel(i, k, y, x));
  return out;
}

const cut = (value: number): number => Math.min(1, Math.max(0, value));

/** The jitter of image i in float64, channels first. */
function jittered({ shape: [, c, h, w], at }: Images, i: number, [b, s1, s2]: readonly [number, number, number]) {
  const weights = c === 1 ? [1] : [0.299, 0.587, 0.114];
  const count = h * w;
  let planes = weights.map((_, k) =>
    Array.from({ length: count }, (_x, p) => cut(b * at(i, k, Math.floor(p / w), p % w))),
  );
  const greys = (): number[] =>
    Array.from({ length: count }, (_, p) =>
      weights.reduce((sum, weight, k) => sum + weight * (planes[k]?.[p] ?? NaN), 0),
    );
  const average = greys().reduce((sum, value) => sum + value, 0) / count;
  planes = planes.map((plane) => plane.map((value) => cut(s1 * value + (1 - s1) * average)));
  const grey = greys();
  if (c === 3) planes = planes.map((plane) => plane.map((value, p) => cut(s2 * value + (1 - s2) * (grey[p] ?? NaN))));
  return planes;
}

async function expectClose(result: Tensor, expected: readonly number[], tolerance: number): Promise<void> {
  const values = await result.data();
  expect(values.length).toBe(expected.length);
  const worst = expected.reduce((most, value, k) => Math.max(most, Math.abs(value - (values[k] ?? NaN))), 0);
  expect(worst).toBeLessThanOrEqual(tolerance);
}

describe('cutout', () => {
  it.each([
    [1, 0],
    [2, 0.5],
    [3, 0],
    [9, 1],
  ])('covers a square of %d, inside the image, by %d', async (size, fill) => {
    const images = someImages([4, 2, 5, 3], size);
    const [rows, columns] = [
      [0, 4, 2, 3],
      [0, 2, 1, 0],
    ];
    const result = cutout(images.tensor, { rows: whole(rows, [4]), columns: whole(columns, [4]) }, size, fill);
    const expected = pixels(images.shape, (i, k, y, x) => {
      const [top, left] = [(rows[i] ?? NaN) - Math.floor(size / 2), (columns[i] ?? NaN) - Math.floor(size / 2)];
      return y >= top && y < top + size && x >= left && x < left + size ? fill : images.at(i, k, y, x);
    });
    await expectClose(result, expected, 0);
  });

  it('refuses what does not fit', () => {
    const [images, one] = [zeros([2, 1, 4, 4], { device }), whole([0], [1])];
    expect(() => cutout(images, { rows: one, columns: one }, 0)).toThrow(ArgumentError);
    expect(() => cutout(images, { rows: one, columns: one }, 2)).toThrow(/rows \[1\], columns \[1\]; expected/);
  });
});

describe('colorJitter', () => {
  it.each([1, 3])('is its formulas on images of %d channels', async (channels) => {
    const images = someImages([3, channels, 4, 7], 40 + channels);
    const factors = [
      [1, 0, 1.9],
      [1, 2.5, 0.3],
      [1, 0.25, 0],
    ] as const;
    const column = (k: 0 | 1 | 2) => tensor([factors[k][0], factors[k][1], factors[k][2]], { device });
    const result = colorJitter(images.tensor, { brightness: column(0), contrast: column(1), saturation: column(2) });
    const expected = [0, 1, 2].flatMap((i) => {
      const of = (k: 0 | 1 | 2): number => Math.fround(factors[k][i] ?? NaN);
      return jittered(images, i, [of(0), of(1), of(2)]).flat();
    });
    await expectClose(result, expected, 1e-6);
  });

  it('refuses other channels, and factors of another number', () => {
    expect(() => colorJitter(zeros([1, 2, 4, 4], { device }), {})).toThrow(
      /images \[1, 2, 4, 4\]; expected \[n, 1, h, w\]/,
    );
    expect(() => colorJitter(zeros([2, 3, 4, 4], { device }), { contrast: zeros([1], { device }) })).toThrow(
      /contrast \[1\] of 2 images; expected \[2\]/,
    );
  });
});

describe('augmentation', () => {
  const ALL: AugmentationOptions = {
    padCropFlip: { padding: 2 },
    colorJitter: { brightness: 0.4, contrast: 0.5, saturation: 1.5 },
    cutout: { size: 3, fill: 0.5 },
  };
  const epoch = (index: number): Generator => new Generator(11, { purpose: 'augmentation', index });
  const numbers = (values: readonly number[]): Tensor => whole([...values], [values.length]);

  /** The numbers that example `row` gets, as the CPU draws them. */
  const drawnFor = (row: number, index = 0): Float32Array =>
    epoch(index)
      .uniform(8 * (row + 1))
      .slice(8 * row);

  it('draws what the CPU draws: where each image is cut, whether it is mirrored, and what is covered', async () => {
    const images = someImages([9, 3, 4, 5], 1);
    const { apply } = augmentation({ padCropFlip: { padding: 2 }, cutout: { size: 2, fill: 1 } });
    const expected = pixels(images.shape, (i, k, y, x) => {
      const u = drawnFor(i);
      const place = (which: number, bound: number): number => Math.floor((u[which] ?? NaN) * bound);
      const [row, column] = [y - place(3, 4) + 1, x - place(4, 5) + 1];
      if (row >= 0 && row < 2 && column >= 0 && column < 2) return 1;
      const across = (u[2] ?? NaN) < 0.5 ? 4 - x : x;
      return images.at(i, k, y + place(0, 5) - 2, across + place(1, 5) - 2);
    });
    await expectClose(apply(images.tensor, epoch(0)), expected, 0);
  });

  it('draws factors around 1 by the strengths', async () => {
    const images = someImages([5, 3, 3, 3], 2);
    const { apply } = augmentation({ colorJitter: { brightness: 0.4, contrast: 0.5, saturation: 1.5 } });
    const expected = [0, 1, 2, 3, 4].flatMap((i) => {
      const [b = NaN, c = NaN, s = NaN] = drawnFor(i).subarray(5);
      return jittered(images, i, [0.6 + 0.8 * b, 0.5 + c, 2.5 * s]).flat();
    });
    await expectClose(apply(images.tensor, epoch(0)), expected, 2e-6);
  });

  it('changes each example by (seed, epoch, example) alone, whatever its batch', async () => {
    const { values } = someImages([6, 3, 4, 4], 3);
    const { apply } = augmentation(ALL);
    const of = async (examples: readonly number[], index = 0): Promise<number[][]> => {
      const x = tensor(
        examples.flatMap((i) => [...values.subarray(48 * i, 48 * (i + 1))]),
        { device, shape: [examples.length, 3, 4, 4] },
      );
      const data = [...(await apply(x, epoch(index), numbers(examples)).data())];
      return examples.map((_, i) => data.slice(48 * i, 48 * (i + 1)));
    };
    const all = await of([0, 1, 2, 3, 4, 5]);
    expect(await of([4, 0, 5])).toEqual([all[4], all[0], all[5]]);
    expect((await of([4], 1))[0]).not.toEqual(all[4]);
    // Without numbers of examples the images count from 0.
    const whole6 = tensor(values, { device, shape: [6, 3, 4, 4] });
    expect([...(await apply(whole6, epoch(0)).data())]).toEqual(all.flat());
  });

  it('draws the same for one part whatever the others do', async () => {
    const { tensor: x } = someImages([4, 3, 5, 5], 4);
    const cropped = augmentation({ padCropFlip: {} }).apply(x, epoch(3));
    const both = augmentation({ padCropFlip: { padding: 4, flip: true }, cutout: { size: 1, fill: 1 } }).apply(
      x,
      epoch(3),
    );
    const [a, b] = [await cropped.data(), await both.data()];
    expect([...a].filter((value, k) => value !== b[k]).length).toBeLessThanOrEqual(4 * 3);
  });

  it('stays in [0, 1], and does nothing without options', async () => {
    const images = someImages([64, 3, 4, 4], 5);
    const strong = augmentation({ ...ALL, colorJitter: { brightness: 9, contrast: 9, saturation: 9 } });
    const data = await strong.apply(images.tensor, epoch(0)).data();
    expect([...data].every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(await augmentation({}).apply(images.tensor, epoch(0)).data()).toEqual(images.values);
    const unmoved = augmentation({ padCropFlip: { padding: 0, flip: false }, colorJitter: {} });
    expect(await unmoved.apply(images.tensor, epoch(0)).data()).toEqual(images.values);
  });

  it('gives a captured step the bits of the plain one, drawing anew at each call', async () => {
    const { apply } = augmentation(ALL);
    const generator = epoch(0);
    const captured = compile((x: Tensor, examples: Tensor) => apply(x, generator, examples), { fuse: false });
    const fused = compile((x: Tensor, examples: Tensor) => apply(x, generator, examples));
    for (const [index, rows] of [
      [0, [3, 1, 2]],
      [1, [7, 0, 5]],
      [0, [3, 1, 2]],
    ] as const) {
      const { tensor: x } = someImages([3, 3, 4, 4], 6 + index);
      const examples = numbers(rows);
      const plain = await apply(x, epoch(index), examples).data();
      generator.setState(epoch(index).state());
      expect(await captured(x, examples).data()).toEqual(plain);
      generator.setState(epoch(index).state());
      await expectClose(fused(x, examples), [...plain], 1e-6);
    }
    captured.dispose();
    fused.dispose();
  });

  it('refuses options outside their domain', () => {
    const bad: [options: AugmentationOptions, message: RegExp][] = [
      [{ padCropFlip: { padding: 1.5 } }, /^augmentation: padCropFlip.padding is 1.5; expected an integer from 0 up/],
      [{ cutout: { size: 0 } }, /cutout.size is 0; expected an integer from 1 up/],
      [{ cutout: { size: 2, fill: 2 } }, /cutout.fill is 2; expected a number of 0 to 1/],
      [{ colorJitter: { contrast: -1 } }, /colorJitter.contrast is -1/],
      [{ colorJitter: { saturation: NaN } }, /colorJitter.saturation is NaN/],
    ];
    for (const [options, message] of bad) {
      expect(() => augmentation(options)).toThrow(ArgumentError);
      expect(() => augmentation(options)).toThrow(message);
    }
    const { apply } = augmentation({});
    expect(() => apply(zeros([2, 3, 4], { device }), epoch(0))).toThrow(ShapeError);
    expect(() => apply(zeros([2, 3, 4, 4], { device }), epoch(0), numbers([1]))).toThrow(ShapeError);
  });
});
