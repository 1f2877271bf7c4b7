import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AnomalyError,
  Generator,
  detectAnomaly,
  div,
  exp,
  full,
  grad,
  log,
  matmul,
  mul,
  profile,
  relu,
  sqrt,
  sum,
  tensor,
  zeros,
  type Device,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeEach(async () => {
  device = await testDevice();
});
afterEach(() => {
  device.destroy();
});

describe('detectAnomaly', () => {
  it('lets gradients through that are the sum of several', async () => {
    const x = tensor([1, 2, 3], { device }).requireGrad();
    const gradient = await detectAnomaly(device, () => {
      const [found] = grad(sum(mul(x, x).add(x.mul(relu(x)))), [x]);
      return found?.data();
    });
    expect([...(gradient ?? [])]).toEqual([4, 8, 12]);
  });

  it('names the first operation, the element and the caller', async () => {
    const x = tensor([1, 2, 200, 3], { device });
    const failing = detectAnomaly(device, () => log(exp(x)).mul(2).data());
    await expect(failing).rejects.toThrow(AnomalyError);
    await expect(failing).rejects.toThrow(
      /detectAnomaly: exp gave an infinity or NaN at element 2 of \[4\]; called at .*watching\.test\.ts\S*:\d+/,
    );
  });

  it('finds NaN as well as infinity, and in backward passes', async () => {
    await expect(detectAnomaly(device, () => div(zeros([70], { device }), 0))).rejects.toThrow(/div gave .* element 0/);
    const x = tensor([1, 0], { device }).requireGrad();
    await expect(
      detectAnomaly(device, () => {
        const [dx] = grad(sum(sqrt(x)), [x]);
        return dx;
      }),
    ).rejects.toThrow(/gave an infinity or NaN at element 1 of \[2\]/);
  });

  it('says nothing where all is finite, gives the result, and leaves memory as it was', async () => {
    const x = tensor([1, 2, 3.4e38], { device });
    const before = device.memory();
    const sums = await detectAnomaly(device, async () => {
      using y = mul(x, 0.5);
      return [...(await y.data())];
    });
    expect(sums).toEqual([0.5, 1, Math.fround(3.4e38) / 2]);
    expect(device.memory().live).toBe(before.live);
    // Outside of it nothing is looked at.
    const { dispatches } = device.counters;
    exp(full([2], 1000, { device }));
    expect(device.counters.dispatches - dispatches).toBe(2);
  });

  it('passes on what the function throws', async () => {
    const run = detectAnomaly(device, () => {
      throw new RangeError('on purpose');
    });
    await expect(run).rejects.toThrow(RangeError);
    expect(device.inspector).toBeUndefined();
  });
});

describe('profile', () => {
  it('counts every dispatch, with its time where the device has timestamps', async () => {
    const values = new Generator(1).normal(64 * 64);
    const a = tensor(values, { shape: [64, 64], device });
    const { dispatches: before } = device.counters;
    const run = await profile(device, () => {
      const b = matmul(a, a);
      return exp(mul(b, 0.001)).add(b);
    });
    expect(run.dispatches).toHaveLength(device.counters.dispatches - before);
    expect(run.result.shape).toEqual([64, 64]);
    expect(run.kernels.reduce((total, { dispatches }) => total + dispatches, 0)).toBe(run.dispatches.length);
    const timed = device.gpu.features.has('timestamp-query');
    for (const { milliseconds, start, bytes } of run.dispatches) {
      expect(bytes).toBeGreaterThan(0);
      expect(milliseconds === undefined).toBe(!timed);
      expect(start === undefined).toBe(!timed);
      if (milliseconds !== undefined) expect(milliseconds).toBeGreaterThanOrEqual(0);
    }
    expect(run.kernels.some(({ flops }) => flops === 2 * 64 ** 3)).toBe(true);
  });

  it('is a table and a Chrome trace', async () => {
    const x = zeros([100], { device });
    const run = await profile(device, () => exp(x).add(1));
    const { traceEvents } = JSON.parse(run.toChromeTrace()) as {
      traceEvents: { name: string; ph: string; dur: number }[];
    };
    expect(traceEvents.map(({ name, ph }) => [name, ph])).toEqual([
      ['exp', 'X'],
      ['add', 'X'],
    ]);
    expect(run.toTable()).toMatch(/^kernel +dispatches +ms +MB/);
    expect(run.toTable()).toContain('exp (unary)');
  });

  it('ends where the function throws, and leaves results the same', async () => {
    const run = profile(device, () => {
      throw new RangeError('on purpose');
    });
    await expect(run).rejects.toThrow(RangeError);
    const x = tensor([1, 2], { device });
    const [plain, watched] = [await exp(x).toArray(), await (await profile(device, () => exp(x))).result.toArray()];
    expect(watched).toEqual(plain);
  });
});

describe('memory by label', () => {
  it('files tensors under the label around them, or under what made them', () => {
    const x = zeros([1024], { device });
    const y = device.label('attack', () => {
      const inner = device.label('inner', () => exp(x));
      return [inner, mul(x, 2)];
    });
    const z = exp(x);
    expect(device.memory().labels).toEqual({ other: 4096, inner: 4096, attack: 4096, exp: 4096 });
    for (const each of [...y, z]) each.dispose();
    expect(device.memory().labels).toEqual({ other: 4096 });
  });
});
