import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  ShapeError,
  crossEntropy,
  grad,
  logSoftmax,
  logSumExp,
  nllLoss,
  softmax,
  tensor,
  zeros,
  type Device,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { expectDerivatives, expectForward, samplesOf, type OpCheck } from '../support/op-check.js';
import { at, build, distance, sizeOf, type NdArray, type Reference } from '../support/reference.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** ln sum exp of the row through `index`, the largest term taken out. */
function rowLogSum(x: NdArray, axis: number, index: readonly number[]): number {
  const row = Array.from({ length: x.shape[axis] ?? 0 }, (_, k) => at(x, index.with(axis, k)));
  const m = row.reduce((a, b) => Math.max(a, b));
  return m + Math.log(row.reduce((sum, value) => sum + Math.exp(value - m), 0));
}

const one =
  (f: (x: NdArray) => NdArray): Reference =>
  ([x]) => {
    if (!x) throw new RangeError('expected one input');
    return f(x);
  };

/** logSoftmax by its definition; each row's sum is formed once. */
function logProbabilities(x: NdArray, axis: number): NdArray {
  const sums = new Map<string, number>();
  return build(x.shape, (index) => {
    const key = index.with(axis, 0).join();
    const sum = sums.get(key) ?? rowLogSum(x, axis, index);
    sums.set(key, sum);
    return at(x, index) - sum;
  });
}

interface Attrs {
  readonly axis: number;
}

const checks: OpCheck[] = [
  ...samplesOf('logSoftmax', ({ axis }: Attrs) => one((x) => logProbabilities(x, axis))),
  ...samplesOf('softmax', ({ axis }: Attrs) =>
    one((x) => {
      const { shape, data } = logProbabilities(x, axis);
      return { shape, data: data.map(Math.exp) };
    }),
  ),
  ...samplesOf('logSumExp', ({ axis }: Attrs) =>
    one((x) => build(x.shape.toSpliced(axis, 1), (index) => rowLogSum(x, axis, index.toSpliced(axis, 0, 0)))),
  ),
];

describe('softmax and its logarithms', () => {
  it.each(checks)('$name computes its definition', (check) => expectForward(device, check));
  it.each(checks.filter(({ shapes }) => sizeOf(shapes[0] ?? []) < 200))('$name has its derivatives', (check) =>
    expectDerivatives(device, check),
  );

  it('is exact for logits of +-1e4', async () => {
    const x: NdArray = {
      shape: [3, 4],
      data: Float64Array.from([1e4, -1e4, 1e4, 0, -1e4, -1e4, -1e4, -1e4, 1e4, 9999, -1e4, 1]),
    };
    const logits = tensor(Float32Array.from(x.data), { shape: x.shape, device });
    const expected = logProbabilities(x, 1).data;
    const { error, norm } = distance(await logSoftmax(logits).data(), expected);
    expect(error).toBeLessThanOrEqual(1e-6 * norm);
    expect(distance(await softmax(logits).data(), expected.map(Math.exp)).error).toBeLessThan(1e-6);
    expect(
      distance(await logSumExp(logits).data(), [1e4 + Math.log(2), -1e4 + Math.log(4), 1e4 + Math.log1p(Math.exp(-1))])
        .error,
    ).toBeLessThan(2e-3);
  });

  it('keeps the axis of logSumExp where asked', () => {
    expect(logSumExp(zeros([2, 3], { device }), 0, { keepDim: true }).shape).toEqual([1, 3]);
  });

  it('refuses an empty row and an axis that is not there', () => {
    expect(() => softmax(zeros([2, 0], { device }))).toThrow(/axis 1 of shape \[2, 0\] is empty/);
    expect(() => softmax(zeros([2, 2], { device }), 2)).toThrow(ShapeError);
    expect(softmax(zeros([0, 2], { device })).shape).toEqual([0, 2]);
  });
});

const labels = [3, 0, 1, 3, 2];

/** Per-row cross-entropy against (1 - s) one-hot + s / C. */
function entropies(smoothing: number): Reference {
  return one((z) => {
    const log = logProbabilities(z, 1);
    const [rows = 0, classes = 0] = z.shape;
    return build([rows], ([i = 0]) => {
      let sum = 0;
      for (let k = 0; k < classes; k++) {
        sum -= (smoothing / classes + (labels[i] === k ? 1 - smoothing : 0)) * at(log, [i, k]);
      }
      return sum;
    });
  });
}

const total = (y: NdArray): number => y.data.reduce((a, b) => a + b, 0);

const losses: OpCheck[] = [0, 0.1, 1].flatMap((labelSmoothing) =>
  (['none', 'sum', 'mean'] as const).map((reduction) => ({
    name: `crossEntropy ${reduction}, smoothing ${labelSmoothing}`,
    shapes: [[5, 4]],
    call: ([z]) => z && crossEntropy(z, tensor(Int32Array.from(labels), { device }), { reduction, labelSmoothing }),
    definition: (inputs) => {
      const rows = entropies(labelSmoothing)(inputs);
      if (reduction === 'none') return rows;
      return build([], () => total(rows) / (reduction === 'mean' ? 5 : 1));
    },
  })),
);

const nll: OpCheck = {
  name: 'nllLoss',
  shapes: [[5, 4]],
  call: ([z]) => z && nllLoss(z, tensor(Int32Array.from(labels), { device })),
  definition: one((z) => build([], () => -labels.reduce((sum, label, i) => sum + at(z, [i, label]), 0) / 5)),
};

describe('cross-entropy', () => {
  it.each([...losses, nll])('$name computes its definition', (check) => expectForward(device, check));
  it.each([...losses, nll])('$name has its derivatives', (check) => expectDerivatives(device, check));

  it('is finite, with a gradient of probabilities, where the prediction is wrong by 2e4', async () => {
    const z = tensor(
      [
        [1e4, -1e4, -1e4],
        [-1e4, 1e4, 1e4],
      ],
      { device },
    ).requireGrad();
    const loss = crossEntropy(z, tensor(Int32Array.from([1, 1]), { device }), { reduction: 'none' });
    expect(distance(await loss.data(), [2e4, Math.log(2)]).error).toBeLessThan(2e-3);
    const [dz] = grad(loss.sum(), [z]);
    expect(await dz?.toArray()).toEqual([
      [1, -1, 0],
      [0, -0.5, 0.5],
    ]);
  });

  it('handles a thousand classes', async () => {
    const [rows, classes] = [130, 1000];
    const x: NdArray = { shape: [rows, classes], data: Float64Array.from(uniformFloats(rows * classes, 3, -9, 9)) };
    const y = Int32Array.from({ length: rows }, (_, i) => (i * 977) % classes);
    const log = logProbabilities(x, 1);
    const expected = [...y].map((label, i) => -at(log, [i, label]));
    const z = tensor(Float32Array.from(x.data), { shape: x.shape, device });
    const { error, norm } = distance(
      await crossEntropy(z, tensor(y, { device }), { reduction: 'none' }).data(),
      expected,
    );
    expect(error).toBeLessThanOrEqual(1e-6 * norm);
  });

  it('stays inside its row for a label that is out of range', async () => {
    const z = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { device },
    ).requireGrad();
    const loss = crossEntropy(z, tensor(Int32Array.from([-7, 1_000_000]), { device }));
    const [dz] = grad(loss, [z]);
    expect([await loss.item(), ...((await dz?.data()) ?? [])].every(Number.isFinite)).toBe(true);
  });

  it('says what would be right', () => {
    const z = zeros([2, 3], { device });
    expect(() => crossEntropy(z, zeros([3], { device, dtype: 'i32' }))).toThrow(
      /logits \[2, 3\] with labels \[3\]; expected \[m, C\] and \[m\]/,
    );
    expect(() => crossEntropy(z, zeros([2], { device }))).toThrow(/labels: got a tensor of dtype f32; expected i32/);
    expect(() => crossEntropy(z, zeros([2], { device, dtype: 'i32' }), { labelSmoothing: 2 })).toThrow(ArgumentError);
  });
});
