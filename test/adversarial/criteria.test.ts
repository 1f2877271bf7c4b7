import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  confidentMisclassified,
  misclassified,
  targetedMisclassified,
  type Criterion,
} from '../../adversarial/index.js';
import { ArgumentError, DTypeError, ShapeError, tensor, type Device, type Tensor } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const ints = (values: readonly number[]): Tensor => tensor(values, { device, dtype: 'i32' });
const flags = async (criterion: Criterion, logits: Tensor, labels: Tensor): Promise<boolean[]> => {
  const found = criterion(logits, labels);
  expect([found.dtype, found.shape]).toEqual(['bool', labels.shape]);
  return Array.from(await found.data(), (flag) => flag === 1);
};

describe('criteria', () => {
  it('agree with plain numbers', async () => {
    await device.scope(async () => {
      const [m, classes] = [40, 4];
      const values = uniformFloats(m * classes, 5, -3, 3);
      const logits = tensor(values, { device, shape: [m, classes] });
      const [labels, targets] = [0, 1].map((more) => Array.from({ length: m }, (_, row) => (row + more) % classes)) as [
        number[],
        number[],
      ];
      const rows = Array.from({ length: m }, (_, row) =>
        Array.from(values.subarray(row * classes, (row + 1) * classes)),
      );
      const given = rows.map((z) => z.indexOf(Math.max(...z)));
      const sure = rows.map((z) => Math.exp(Math.max(...z)) / z.reduce((sum, v) => sum + Math.exp(v), 0));
      expect(await flags(misclassified, logits, ints(labels))).toEqual(given.map((k, row) => k !== labels[row]));
      expect(await flags(targetedMisclassified(ints(targets)), logits, ints(labels))).toEqual(
        given.map((k, row) => k === targets[row]),
      );
      const confident = given.map((k, row) => k !== labels[row] && (sure[row] ?? NaN) >= 0.7);
      expect(new Set(confident).size).toBe(2);
      expect(await flags(confidentMisclassified(0.7), logits, ints(labels))).toEqual(confident);
      expect(await flags(confidentMisclassified(0), logits, ints(labels))).toEqual(
        given.map((k, row) => k !== labels[row]),
      );
      expect(await flags(confidentMisclassified(1), logits, ints(labels))).not.toContain(true);
    });
  });

  it('count the first of equal logits', async () => {
    const logits = tensor([1, 1, 1, 1], { device, shape: [2, 2] });
    expect(await flags(misclassified, logits, ints([0, 1]))).toEqual([false, true]);
    expect(await flags(targetedMisclassified(ints([0, 1])), logits, ints([0, 0]))).toEqual([true, false]);
  });

  it('refuse what does not fit', () => {
    const [logits, labels] = [tensor([1, 2, 3, 4], { device, shape: [2, 2] }), ints([0, 1])];
    expect(() => misclassified(logits, ints([0]))).toThrow(ShapeError);
    expect(() => targetedMisclassified(ints([0]))(logits, labels)).toThrow(/targets \[1\] for labels \[2\]/);
    expect(() => targetedMisclassified(tensor([0, 1], { device }))(logits, labels)).toThrow(DTypeError);
    expect(() => confidentMisclassified(90)).toThrow(ArgumentError);
    expect(() => confidentMisclassified(90)).toThrow(/probability is 90; expected 0 to 1/);
  });
});
