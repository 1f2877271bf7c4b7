import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cwLoss,
  dlrLoss,
  marginLoss,
  sampleCrossEntropy,
  targetedDlrLoss,
  type AttackLoss,
} from '../../adversarial/index.js';
import { ArgumentError, ShapeError, grad, gradcheck, onesLike, tensor, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, goldenTolerance, loadGolden } from '../support/golden.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const CASES = loadGolden('losses').cases.filter(({ op }) => op === 'attack_losses');

describe('attack losses', () => {
  it('has golden cases', () => {
    expect(CASES.length).toBeGreaterThan(0);
  });

  it.each(CASES)('agree with the reference, with gradients, in $id', async (golden) => {
    await device.scope(async () => {
      const { shape } = golden.input('logits');
      const labels = tensor(golden.ints('y'), { device });
      const losses: Record<string, AttackLoss> = {
        cw50: cwLoss({ kappa: golden.number('kappa') }),
        margin: marginLoss,
        ...(golden.outputs.has('dlr.vec') && { dlr: dlrLoss }),
        ...(golden.outputs.has('dlr_targeted.vec') && {
          dlr_targeted: targetedDlrLoss(tensor(golden.ints('target'), { device })),
        }),
      };
      for (const [key, loss] of Object.entries(losses)) {
        const logits = tensor(golden.floats('logits'), { shape, device }).requireGrad();
        const values = loss(logits, labels);
        expectGolden(await values.floats(), golden.output(`${key}.vec`), goldenTolerance.attackLosses, key);
        const [gradient] = grad(values, [logits], { gradOutput: onesLike(values) });
        const found = (await gradient?.floats()) ?? [];
        expectGolden(found, golden.output(`${key}.d_logits`), goldenTolerance.attackLosses, `${key}.d_logits`);
      }
    });
  });

  it('have the derivatives that differences have', async () => {
    const labels = tensor([0, 3, 4], { device, dtype: 'i32' });
    const targets = tensor([1, 0, 2], { device, dtype: 'i32' });
    for (const loss of [marginLoss, cwLoss(), dlrLoss, targetedDlrLoss(targets)]) {
      const logits = tensor(uniformFloats(15, 7, -3, 3), { device, shape: [3, 5] }).requireGrad();
      await gradcheck((z) => loss(z, labels), [logits]);
    }
  });

  it('leave the true class out by its place, even far below the others', async () => {
    const logits = tensor([-3e38, -3.1e38, -3.2e38, 5, -1e20, -1e30], { device, shape: [2, 3] });
    const labels = tensor([0, 0], { device, dtype: 'i32' });
    const margins = await marginLoss(logits, labels).floats();
    expect(Math.abs((margins[0] ?? NaN) / -1e37 - 1)).toBeLessThan(1e-6);
    expect(margins[1]).toBe(Math.fround(-1e20 - 5));
  });

  it('stop at misclassification with kappa 0, and go on to kappa past it', async () => {
    const logits = tensor([1, 3, 0, 3, 1, 0], { device, shape: [2, 3] });
    const labels = tensor([0, 0], { device, dtype: 'i32' });
    for (const [kappa, expected] of [
      [0, [0, -2]],
      [5, [-3, -7]],
    ] as const) {
      const values = await cwLoss({ kappa })(logits, labels).floats();
      expected.forEach((value, row) => expect(values[row]).toBeCloseTo(value, 6));
    }
  });

  it('refuse too few classes, other shapes and a bad kappa', () => {
    const two = tensor([1, 2, 3, 4], { device, shape: [2, 2] });
    const three = tensor([1, 2, 3], { device, shape: [1, 3] });
    const labels = tensor([0, 1], { device, dtype: 'i32' });
    const one = tensor([0], { device, dtype: 'i32' });
    expect(() => dlrLoss(two, labels)).toThrow(ArgumentError);
    expect(() => dlrLoss(two, labels)).toThrow(/dlrLoss: the model has 2 classes; needs at least 3/);
    expect(() => targetedDlrLoss(one)(three, one)).toThrow(/needs at least 4/);
    expect(() => marginLoss(three, labels)).toThrow(ShapeError);
    expect(() => cwLoss({ kappa: -1 })).toThrow(/kappa is -1/);
    expect(() => sampleCrossEntropy(three, labels)).toThrow();
  });
});
