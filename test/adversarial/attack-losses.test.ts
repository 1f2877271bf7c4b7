import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cwLoss,
  dlrLoss,
  marginLoss,
  sampleCrossEntropy,
  targetedCrossEntropy,
  targetedCwLoss,
  targetedDlrLoss,
  type AttackLoss,
} from '../../adversarial/index.js';
import {
  ArgumentError,
  DTypeError,
  ShapeError,
  grad,
  gradcheck,
  onesLike,
  tensor,
  type Device,
} from '../../engine/index.js';
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
    const targeted = [targetedDlrLoss(targets), targetedCwLoss(targets), targetedCrossEntropy(targets)];
    for (const loss of [marginLoss, cwLoss(), dlrLoss, ...targeted]) {
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

  it('draw to targets, with the gradients of plain float64, whatever the labels are', async () => {
    const [m, classes, kappa] = [9, 6, 1.5];
    const values = uniformFloats(m * classes, 17, -2, 2);
    const logits = tensor(values, { device, shape: [m, classes] }).requireGrad();
    const aims = Int32Array.from({ length: m }, (_, row) => (row * 5 + 1) % classes);
    const targets = tensor(aims, { device });
    const labels = tensor(new Int32Array(m), { device });
    const lossOf = async (loss: AttackLoss): Promise<[Float32Array, Float32Array]> => {
      const each = loss(logits, labels);
      const [gradient] = grad(each, [logits], { gradOutput: onesLike(each) });
      return [await each.floats(), (await gradient?.floats()) ?? new Float32Array()];
    };
    const [entropy, entropyGradient] = await lossOf(targetedCrossEntropy(targets));
    const [cw, cwGradient] = await lossOf(targetedCwLoss(targets, { kappa }));
    let satisfied = 0;
    for (let row = 0; row < m; row++) {
      const z = Array.from(values.subarray(row * classes, (row + 1) * classes));
      const aim = aims[row] ?? NaN;
      const at = (k: number): number => z[k] ?? NaN;
      const total = z.reduce((sum, v) => sum + Math.exp(v), 0);
      const rival = z.reduce((best, v, k) => (k !== aim && (best === aim || v > at(best)) ? k : best), aim);
      const gap = at(rival) - at(aim) + kappa;
      if (gap < 0) satisfied++;
      expect(entropy[row]).toBeCloseTo(at(aim) - Math.log(total), 5);
      expect(cw[row]).toBeCloseTo(-Math.max(gap, 0), 5);
      z.forEach((v, k) => {
        const one = k === aim ? 1 : 0;
        expect(entropyGradient[row * classes + k]).toBeCloseTo(one - Math.exp(v) / total, 5);
        const expected = gap > 0 ? one - (k === rival ? 1 : 0) : 0;
        expect(cwGradient[row * classes + k]).toBeCloseTo(expected, 6);
      });
    }
    expect(satisfied, 'samples that are at their targets by more than kappa').toBeGreaterThan(0);
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
    expect(() => targetedCwLoss(one, { kappa: NaN })).toThrow(/targetedCwLoss: kappa is NaN/);
    for (const targeted of [targetedCwLoss, targetedCrossEntropy]) {
      expect(() => targeted(labels)(three, one)).toThrow(/targets \[2\] for labels \[1\]/);
      expect(() => targeted(tensor([1], { device }))(three, one)).toThrow(DTypeError);
    }
    expect(() => sampleCrossEntropy(three, labels)).toThrow();
  });
});
