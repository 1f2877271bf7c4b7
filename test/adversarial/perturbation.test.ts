import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perturbationNorms } from '../../adversarial/index.js';
import { DTypeError, ShapeError, tensor, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('perturbationNorms', () => {
  it.each([[[5, 3, 7, 9]], [[1, 11]], [[3, 1, 2]]])('measures images %j as plain numbers do', async (shape) => {
    await device.scope(async () => {
      const [m = 0] = shape;
      const size = shape.reduce((product, length) => product * length, 1);
      const natural = uniformFloats(size, 1, 0, 1);
      const moves = uniformFloats(size, 2, -0.1, 0.1);
      // Every third element stays, and the last sample as a whole.
      const moved = natural.map((value, i) =>
        i % 3 === 0 || i >= size - size / m ? value : value + (moves[i] ?? NaN),
      );
      const before = device.memory().tensors;
      const [x, adversarial] = [natural, moved].map((values) => tensor(values, { device, shape }));
      if (!x || !adversarial) throw new RangeError('no images');
      const norms = perturbationNorms(x, adversarial);
      expect(device.memory().tensors).toBe(before + 6);
      const [linf, l2, l1, l0] = [
        await norms.linf.floats(),
        await norms.l2.floats(),
        await norms.l1.floats(),
        await norms.l0.floats(),
      ];
      for (let row = 0; row < m; row++) {
        const d = Array.from(moved.subarray((row * size) / m, ((row + 1) * size) / m), (value, i) =>
          Math.abs(value - (natural[(row * size) / m + i] ?? NaN)),
        );
        expect(linf[row]).toBeCloseTo(Math.max(...d), 6);
        expect(l2[row]).toBeCloseTo(Math.hypot(...d), 5);
        expect(l1[row]).toBeCloseTo(
          d.reduce((sum, v) => sum + v, 0),
          4,
        );
        expect(l0[row]).toBe(d.filter((v) => v > 0).length);
      }
      expect([linf[m - 1], l2[m - 1], l1[m - 1], l0[m - 1]]).toEqual([0, 0, 0, 0]);
    });
  });

  it('counts the smallest change', async () => {
    const x = tensor([[0.5, 0.25]], { device });
    const adversarial = tensor([[0.5, 0.25 + 2 ** -25]], { device });
    expect(await perturbationNorms(x, adversarial).l0.floats()).toEqual(Float32Array.of(1));
  });

  it('refuses images that do not belong together', () => {
    const [x, other] = [tensor([[1, 2]], { device }), tensor([[1], [2]], { device })];
    expect(() => perturbationNorms(x, other)).toThrow(ShapeError);
    expect(() => perturbationNorms(x, other)).toThrow(/images \[1, 2\] and \[2, 1\]/);
    expect(() => perturbationNorms(x, tensor([[1, 2]], { device, dtype: 'i32' }))).toThrow(DTypeError);
  });
});
