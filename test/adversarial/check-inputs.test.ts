import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkInputs } from '../../adversarial/index.js';
import {
  ArgumentError,
  BulwarkError,
  DTypeError,
  ShapeError,
  flatten,
  matmul,
  slice,
  softmax,
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

function batch(low: number, high: number, m = 6): Tensor {
  return tensor(uniformFloats(36 * m, 2, low, high), { device, shape: [m, 1, 6, 6] });
}

const ints = (values: readonly number[]): Tensor => tensor(values, { device, dtype: 'i32' });
const labels = (): Tensor => ints([0, 1, 2, 0, 1, 2]);

function model(): (x: Tensor) => Tensor {
  const weight = tensor(uniformFloats(36 * 3, 4), { device, shape: [36, 3] });
  return (x) => matmul(flatten(x, 1), weight);
}

describe('checkInputs', () => {
  it(
    'has nothing to say of good images, labels and logits, and reads once',
    scoped(async () => {
      const net = new SmallNet(device);
      const [x, y] = [batch(0, 1), labels()];
      await checkInputs(net, x, y);
      const [readbacks, memory] = [device.counters.readbacks, device.memory()];
      expect(await checkInputs(net, x, y)).toEqual([]);
      expect(device.counters.readbacks).toBe(readbacks + 1);
      expect(device.memory()).toEqual(memory);
      expect(net.modules().every(({ training }) => training)).toBe(true);
      // The ends of the range, and what rounding adds, belong to it.
      expect(
        await checkInputs(
          net,
          tensor([0, 1, 1 + 1e-7], { device })
            .expand([12, 3])
            .reshape([1, 1, 6, 6]),
          ints([2]),
        ),
      ).toEqual([]);
      net.dispose();
    }),
  );

  it(
    'refuses images outside the range, and says where normalisation belongs',
    scoped(async () => {
      const f = model();
      await expect(checkInputs(f, batch(-2, 2.5), labels())).rejects.toThrow(ArgumentError);
      await expect(checkInputs(f, batch(-2, 2.5), labels())).rejects.toThrow(
        /images are in \[-1\.9\d*, 2\.4\d*\], outside the range of the data, \[0, 1\]; normalisation .* belongs into the model/,
      );
      await expect(checkInputs(f, batch(0, 255), labels())).rejects.toThrow(/\[0, 1\]; divide them by 255/);
      await expect(checkInputs(f, batch(0, 0.8), labels(), { clipMax: 0.5 })).rejects.toThrow(/the data, \[0, 0.5\]/);
      await expect(checkInputs(f, batch(0, 1), labels(), { clipMin: 1 })).rejects.toThrow(/span no range/);
    }),
  );

  it(
    'refuses numbers that are none',
    scoped(async () => {
      for (const bad of [NaN, Infinity, -Infinity]) {
        const values = uniformFloats(36 * 6, 2, 0, 1);
        values[100] = bad;
        const x = tensor(values, { device, shape: [6, 1, 6, 6] });
        await expect(checkInputs(model(), x, labels())).rejects.toThrow(
          /the images have values that are NaN or infinite, 1 of them/,
        );
        const weight = uniformFloats(36 * 3, 4);
        weight.fill(bad, 0, 1);
        const broken = tensor(weight, { device, shape: [36, 3] });
        const check = checkInputs((each) => matmul(flatten(each, 1), broken), batch(0.1, 1), labels());
        await expect(check).rejects.toThrow(BulwarkError);
        await expect(check).rejects.toThrow(/logits that are NaN or infinite, 6 of them/);
      }
    }),
  );

  it(
    'refuses labels that are no classes, and outputs that are no logits',
    scoped(async () => {
      const f = model();
      await expect(checkInputs(f, batch(0, 1), ints([0, 1, 2, 3, 1, 2]))).rejects.toThrow(
        /labels are from 0 to 3; the model has 3 classes, 0 to 2/,
      );
      await expect(checkInputs(f, batch(0, 1), ints([0, 1, 2, -1, 1, 2]))).rejects.toThrow(/labels are from -1 to 2/);
      await expect(checkInputs(f, batch(0, 1), ints([0]))).rejects.toThrow(ShapeError);
      await expect(checkInputs(f, labels(), labels())).rejects.toThrow(DTypeError);
      const halved = (x: Tensor): Tensor => slice(f(x), [{ end: 3 }]);
      await expect(checkInputs(halved, batch(0, 1), labels())).rejects.toThrow(
        /gives \[3, 3\] for images \[6, 1, 6, 6\]/,
      );
    }),
  );

  it(
    'warns of probabilities in place of logits',
    scoped(async () => {
      const f = model();
      const warnings = await checkInputs((x) => softmax(f(x), 1), batch(0, 1), labels());
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(/look like probabilities/);
      // Within 0 to 1, but not of sum 1; and of sum 1, but not within.
      expect(await checkInputs((x) => f(x).sigmoid(), batch(0, 1), labels())).toEqual([]);
      const centred = (x: Tensor): Tensor =>
        f(x)
          .sub(f(x).mean(1, { keepDim: true }))
          .add(1 / 3);
      expect(await checkInputs(centred, batch(0, 1), labels())).toEqual([]);
    }),
  );

  it(
    'warns of images that look normalised, or divided twice',
    scoped(async () => {
      const range = { clipMin: -3, clipMax: 3 };
      const [warning, ...more] = await checkInputs(model(), batch(-1.7, 1.7), labels(), range);
      expect(more).toEqual([]);
      const values = Array.from(uniformFloats(36 * 6, 2, -1.7, 1.7));
      const average = values.reduce((sum, v) => sum + v, 0) / values.length;
      const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - average) ** 2, 0) / values.length);
      const figures = [Math.min(...values), Math.max(...values), average, spread];
      const found = /in \[(.*), (.*)\], of mean (.*) and standard deviation (.*): they look/.exec(warning ?? '');
      figures.forEach((figure, i) => expect(Number(found?.[i + 1])).toBeCloseTo(figure, 3));
      expect(await checkInputs(model(), batch(0, 1).div(255), labels())).toEqual([
        expect.stringMatching(/a small part of the range of the data, \[0, 1\]: were they divided by 255 twice\?/),
      ]);
    }),
  );
});
