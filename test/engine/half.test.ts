import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DTypeError,
  LimitError,
  adaptiveAvgPool2d,
  add,
  arange,
  avgPool2d,
  batchNorm2d,
  conv2d,
  crossEntropy,
  detectAnomaly,
  dropout,
  full,
  grad,
  keep,
  layerNorm,
  linear,
  maxPool2d,
  mean,
  mseLoss,
  mul,
  norm,
  ones,
  prod,
  registeredOps,
  relu,
  sum,
  tensor,
  to,
  zeros,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { SGD, readTensors } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { arraysOf, checksOf, forwardError, uploadAll, type RecordCheck } from '../support/records.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** One rounding to f16. */
const HALF = 2 ** -11;

/** Whether this adapter has f16; where it has not, asking for it has to be refused by name. */
function hasHalf(): boolean {
  if (device.caps.f16) return true;
  expect(() => zeros([2], { device, dtype: 'f16' })).toThrow(LimitError);
  expect(() => to(zeros([2], { device }), 'f16')).toThrow(/f16: this adapter \(.*\) has no shader-f16; use f32/);
  return false;
}

const draw = (shape: number[], seed: number): Tensor => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(uniformFloats(size, seed, -1, 1), { device, shape });
};

describe('f16', () => {
  it('holds the nearest values, in two bytes each', async () => {
    if (!hasHalf()) return;
    const values = [0, 1, -2.5, 1 / 3, 65_504, 2 ** -24, 2049];
    const x = tensor(values, { device, dtype: 'f16' });
    expect([x.dtype, x.bytes, x.range.size]).toEqual(['f16', 14, 16]);
    expect([...(await x.data())]).toEqual([0, 1, -2.5, 0.333251953125, 65_504, 2 ** -24, 2048]);
    expect(await full([3], 0.1, { device, dtype: 'f16' }).toArray()).toEqual([0, 0, 0].map(() => 0.0999755859375));
    expect(await arange(0, 5, { device, dtype: 'f16' }).toArray()).toEqual([0, 1, 2, 3, 4]);
    expect(zeros([1000], { device, dtype: 'f16' }).range.size).toBe(2000);
  });

  it('converts to and from every dtype', async () => {
    if (!hasHalf()) return;
    const x = tensor([-1.5, 0, 7], { device, dtype: 'f16' });
    expect(await to(x, 'i32').toArray()).toEqual([-1, 0, 7]);
    expect(await to(x, 'bool').toArray()).toEqual([1, 0, 1]);
    expect(await to(to(x, 'i32'), 'f16').toArray()).toEqual([-1, 0, 7]);
    expect(to(x, 'f16')).toBe(x);
  });

  it('is kept, copied and saved', async () => {
    if (!hasHalf()) return;
    const [x, y] = [tensor([1, 2, 3], { device, dtype: 'f16' }), zeros([3], { device, dtype: 'f16' })];
    y.copyFrom(x);
    const saved = await readTensors(
      new Map([
        ['x', y],
        ['n', tensor([5], { device })],
      ]),
    );
    expect(saved['x']).toEqual({ dtype: 'F16', shape: [3], data: Uint16Array.of(0x3c00, 0x4000, 0x4200) });
    expect(saved['n']?.data).toEqual(Float32Array.of(5));
  });

  it('is taken by every op: each computes its definition in f32 and rounds once', async () => {
    if (!hasHalf()) return;
    const checks = [...registeredOps.values()]
      .filter(({ name }) => name !== 'toFloat')
      .flatMap((op) => checksOf(op).filter(({ draws, half }) => !half && draws.some(({ dtype }) => dtype === 'f32')))
      .map((check): RecordCheck => ({
        ...check,
        draws: check.draws.map((each) => (each.dtype === 'f32' ? { ...each, dtype: 'f16' } : each)),
        definitions: check.definitions.slice(0, 1),
      }));
    const wrong: unknown[] = [];
    for (const check of checks) {
      await device.scope(async () => {
        const arrays = arraysOf(check);
        const inputs = uploadAll(device, check, arrays);
        const { dtype } = check.call(inputs)[0] ?? {};
        const error = await forwardError(check, inputs, arrays);
        if (dtype === 'f32' || !(error <= 1.01 * HALF)) wrong.push([check.name, dtype, error]);
      });
    }
    expect(wrong).toEqual([]);
    expect(checks.length).toBeGreaterThan(500);
  });

  it('sums in f32: no partial sum is rounded', async () => {
    if (!hasHalf()) return;
    // A running sum in f16 would stop at 2,048; the result is 10,000.
    expect(await sum(ones([10_000], { device, dtype: 'f16' })).item()).toBe(10_000);
    // The squares alone are beyond f16.
    expect(await norm(full([4], 300, { device, dtype: 'f16' })).item()).toBe(600);
    const squares = full([2, 1000], 1, { device, dtype: 'f16' });
    expect(await mseLoss(mul(squares, 300), zeros([2, 1000], { device, dtype: 'f16' })).item()).toBeGreaterThan(0);
    expect(await prod(tensor([300, 300, 1 / 256, 1 / 256], { device, dtype: 'f16' })).item()).toBeCloseTo(1.373, 3);
  });

  it('joins with f32 to f32, as PyTorch promotes', async () => {
    if (!hasHalf()) return;
    const y = add(tensor([1 / 3], { device, dtype: 'f16' }), tensor([1], { device }));
    expect(y.dtype).toBe('f32');
    expect(await y.item()).toBe(1.333251953125);
    expect(() => add(tensor([1], { device, dtype: 'f16' }), tensor([1], { device, dtype: 'i32' }))).toThrow(DTypeError);
  });

  it('has gradients of its own dtype, equal to those of f32 but for the roundings', async () => {
    if (!hasHalf()) return;
    const run = async (dtype: 'f16' | 'f32'): Promise<Float32Array[]> => {
      const x = to(draw([4, 3, 8, 8], 1), dtype).requireGrad();
      const [w, b, head] = [draw([5, 3, 3, 3], 2), draw([5], 3), draw([4, 5], 4)].map((t) =>
        to(t, dtype).requireGrad(),
      );
      if (!w || !b || !head) throw new RangeError('no parameters');
      const running = { runningMean: zeros([5], { device }), runningVar: ones([5], { device }) };
      const normal = batchNorm2d(conv2d(x, w, b, { padding: 1 }), { ...running, training: true });
      const pooled = adaptiveAvgPool2d(avgPool2d(maxPool2d(relu(normal), 2), 2), 1).reshape([4, 5]);
      const logits = linear(layerNorm(dropout(pooled, 0), [5]), head);
      const loss = crossEntropy(logits, tensor([0, 3, 1, 2], { device, dtype: 'i32' }));
      expect([logits.dtype, loss.dtype]).toEqual([dtype, dtype]);
      const leaves = [x, w, head];
      const gradients = grad(loss, leaves);
      expect(gradients.map((gradient) => gradient.dtype)).toEqual(leaves.map(() => dtype));
      return Promise.all([loss, ...gradients].map((t) => t.floats()));
    };
    const [half, single] = [await run('f16'), await run('f32')];
    for (const [index, expected] of single.entries()) {
      const difference = Math.hypot(...expected.map((value, at) => value - (half[index]?.[at] ?? NaN)));
      // About ten roundings on the way there and back, amplified by two normalisations.
      expect(difference / Math.hypot(...expected)).toBeLessThan(40 * HALF);
    }
  });

  it('trains f32 parameters through f16 copies', async () => {
    if (!hasHalf()) return;
    const weight = keep(zeros([1, 2], { device })).requireGrad();
    const sgd = new SGD([weight], { lr: 0.5 });
    const [x, y] = [
      tensor(
        [
          [1, 0],
          [0, 1],
        ],
        { device, dtype: 'f16' },
      ),
      tensor([[3], [-2]], { device, dtype: 'f16' }),
    ];
    for (let step = 0; step < 60; step++) {
      device.scope(() => {
        sgd.step(grad(mseLoss(linear(x, to(weight, 'f16')), y), [weight]));
      });
    }
    const [a = 0, b = 0] = await weight.data();
    expect([a, b]).toEqual([expect.closeTo(3, 2), expect.closeTo(-2, 2)]);
    sgd.dispose();
    weight.dispose();
  });

  it('is watched for what it cannot hold', async () => {
    if (!hasHalf()) return;
    const x = full([3], 60_000, { device, dtype: 'f16' });
    await expect(detectAnomaly(device, () => mean(add(x, x)))).rejects.toThrow(/toFloat gave an infinity or NaN/);
    await detectAnomaly(device, () => mean(x));
  });
});
