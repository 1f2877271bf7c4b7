import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  add,
  backward,
  concat,
  DeviceLostError,
  exp,
  FreedTensorError,
  full,
  grad,
  GradError,
  keep,
  LimitError,
  mul,
  noGrad,
  oneHot,
  ScopeError,
  ShapeError,
  tensor,
  zeros,
  type Device,
} from '../../engine/index.js';
import { ownDevice } from '../support/device.js';

let device: Device;
beforeEach(async () => {
  device = await ownDevice();
});
afterEach(() => {
  device.destroy();
});

describe('scopes', () => {
  it('free what they made and keep what they return', async () => {
    const x = tensor([1, 2, 3], { device });
    const result = device.scope(() => {
      const inner = x.mul(2);
      const kept = keep(x.add(1));
      return { sums: [inner.add(kept)], inner: undefined, kept };
    });
    expect(await result.sums[0]?.data()).toEqual(new Float32Array([4, 7, 10]));
    expect(device.memory().tensors).toBe(3);
  });

  it('nest, and hand results to the scope around', () => {
    device.scope(() => {
      device.scope(() => zeros([4], { device }));
      expect(device.memory().tensors).toBe(1);
    });
    expect(device.memory().tensors).toBe(0);
  });

  it('free everything on an exception, sync and async', async () => {
    const fail = (): never => {
      zeros([4], { device });
      throw new RangeError('on purpose');
    };
    expect(() => device.scope(fail)).toThrow(RangeError);
    await expect(device.scope(() => Promise.resolve().then(fail))).rejects.toThrow(RangeError);
    expect(device.memory().tensors).toBe(0);
  });

  it('report async scopes that interleave', async () => {
    const gates: (() => void)[] = [];
    const open = (): Promise<void> => device.scope(() => new Promise<void>((resolve) => gates.push(resolve)));
    const [first, second] = [open(), open()];
    gates[0]?.();
    await expect(first).rejects.toThrow(ScopeError);
    gates[1]?.();
    await second;
  });
});

describe('memory', () => {
  it('is flat to the byte and creates nothing once a step repeats', async () => {
    const x = keep(tensor([1, 2, 3, 4, 5], { device }));
    const step = async (): Promise<void> => {
      await device.scope(async () => {
        const y = exp(x.mul(0.5)).add(x);
        await y.data();
      });
    };
    await step();
    await step();
    const [memory, counters] = [device.memory(), { ...device.counters }];
    for (let run = 0; run < 5; run++) await step();
    expect(device.memory()).toEqual(memory);
    const { buffers, bindGroups, pipelines } = device.counters;
    expect({ buffers, bindGroups, pipelines }).toEqual({
      buffers: counters.buffers,
      bindGroups: counters.bindGroups,
      pipelines: counters.pipelines,
    });
  });

  it('counts live, pooled and peak bytes', () => {
    const a = zeros([1024], { device });
    const b = zeros([1024], { device });
    expect(device.memory()).toMatchObject({ live: 8192, pooled: 0, peak: 8192, tensors: 2, buffers: 2 });
    a.dispose();
    a.dispose();
    expect(device.memory()).toMatchObject({ live: 4096, pooled: 4096, peak: 8192, total: 8192, tensors: 1 });
    zeros([1000], { device });
    expect(device.memory()).toMatchObject({ live: 8192, pooled: 0, buffers: 2 });
    b.dispose();
  });

  it('shares one buffer among reshapes until the last is gone', () => {
    const x = zeros([4, 4], { device });
    const y = x.reshape([16]);
    x.dispose();
    expect(device.memory().live).toBe(256);
    y.dispose();
    expect(device.memory().live).toBe(0);
  });

  it('refuses what no buffer can hold, with both numbers', () => {
    const limit = device.gpu.limits.maxStorageBufferBindingSize;
    expect(() => zeros([limit / 4 + 4], { device })).toThrow(LimitError);
    expect(() => zeros([limit / 4 + 4], { device })).toThrow(new RegExp(`${limit + 16} bytes.*${limit}`));
  });
});

describe('ordering', () => {
  it('uploads never overtake the work that reads the old values', async () => {
    const results = [];
    for (let value = 1; value <= 3; value++) {
      results.push(
        device.scope(() => {
          const x = tensor([value, value, value], { device });
          return x.mul(10);
        }),
      );
    }
    for (const [index, result] of results.entries()) {
      expect(await result.data()).toEqual(new Float32Array(3).fill(10 * (index + 1)));
    }
  });

  it('runs more dispatches than one submit holds', async () => {
    let x = full([3], 0, { device });
    for (let i = 0; i < 9000; i++) x = device.scope(() => x.add(1));
    expect(await x.data()).toEqual(new Float32Array([9000, 9000, 9000]));
  });
});

describe('differentiation', () => {
  it('accumulates into leaves, shared results included', async () => {
    const x = tensor([1, 2], { device }).requireGrad();
    const y = tensor([3, 4], { device }).requireGrad();
    for (let run = 0; run < 2; run++) {
      const z = add(x, y);
      backward(
        z
          .mul(z)
          .reshape([1, 2])
          .slice([null, { start: 1 }])
          .reshape([]),
      );
    }
    expect(await x.grad?.data()).toEqual(new Float32Array([0, 24]));
    expect(await y.grad?.data()).toEqual(new Float32Array([0, 24]));
  });

  it('handles a tensor used twice by one op, thrice by a sum, and diamonds', async () => {
    const x = tensor([3], { device }).requireGrad();
    const square = mul(x, x);
    const result = concat([x, x, square])
      .reshape([3])
      .mul(square.expand([3]));
    const [first] = grad(result, [x], { gradOutput: full([3], 1, { device }), createGraph: true });
    // y = 2 x^3 + x^4: y' = 6 x^2 + 4 x^3, y'' = 12 x + 12 x^2
    expect(await first?.data()).toEqual(new Float32Array([162]));
    const second = first ? grad(first, [x])[0] : undefined;
    expect(await second?.data()).toEqual(new Float32Array([144]));
  });

  it('gives the same gradients with and without a graph, and frees its intermediates', async () => {
    const x = tensor([0.5, -1, 2], { device }).requireGrad();
    const loss = exp(x)
      .mul(x)
      .add(x.sigmoid())
      .reshape([1, 3])
      .slice([null, { end: 1 }])
      .reshape([]);
    const before = device.memory().tensors;
    const [plain] = grad(loss, [x]);
    expect(device.memory().tensors).toBe(before + 1);
    const [graphed] = grad(loss, [x], { createGraph: true });
    expect(await plain?.data()).toEqual(await graphed?.data());
  });

  it('computes only what is asked for', () => {
    const x = tensor([1, 2], { device }).requireGrad();
    const w = tensor([3, 4], { device }).requireGrad();
    const y = x.mul(w);
    const gradOutput = full([2], 1, { device });
    const dispatches = device.counters.dispatches;
    grad(y, [x], { gradOutput });
    expect(device.counters.dispatches - dispatches).toBe(1);
  });

  it('says what is missing', () => {
    const x = tensor([1, 2], { device }).requireGrad();
    const other = tensor([1], { device }).requireGrad();
    expect(() => grad(x.mul(2), [x])).toThrow(GradError);
    expect(() => grad(x.mul(2), [x])).toThrow(/shape \[2\]; expected a scalar/);
    expect(() => grad(x.detach().mul(2), [x])).toThrow(/no graph/);
    expect(() => grad(x.mul(2), [other], { gradOutput: full([2], 1, { device }) })).toThrow(/does not take part/);
    expect(() => noGrad(device, () => grad(x.mul(2), [x]))).toThrow(/no graph/);
    expect(device.gradEnabled).toBe(true);
  });

  it('refuses a freed graph', () => {
    const x = tensor([1, 2], { device }).requireGrad();
    const y = device.scope(() => exp(x.mul(2)).mul(3));
    expect(() => grad(y, [x], { gradOutput: full([2], 1, { device }) })).toThrow(FreedTensorError);
  });
});

describe('errors', () => {
  it('name the op, the shapes and what would be right', () => {
    const x = zeros([2, 3], { device });
    expect(() => x.add(zeros([2], { device }))).toThrow(/add: shapes \[2, 3\] and \[2\] do not broadcast/);
    expect(() => x.reshape([4])).toThrow(ShapeError);
    expect(() => x.permute([0, 0])).toThrow(/permute: \[0, 0\] is not an order/);
    expect(() => tensor([[1, 2], [3]], { device })).toThrow(/ragged/);
    expect(() => tensor([1, 2, 3], { shape: [2], device })).toThrow(/3 values do not fill shape \[2\]/);
    expect(() => oneHot(x, 3)).toThrow(/dtype f32; expected i32/);
    x.dispose();
    expect(() => x.add(1)).toThrow(FreedTensorError);
  });

  it('a lost device rejects what is in flight and everything after', async () => {
    const x = zeros([4], { device });
    device.destroy();
    await expect(x.data()).rejects.toThrow(DeviceLostError);
    await expect(device.sync()).rejects.toThrow(DeviceLostError);
  });

  it('two devices live side by side', async () => {
    const other = await ownDevice();
    const [x, y] = [tensor([1], { device }), tensor([2], { device: other })];
    expect(() => x.add(y)).toThrow(/two devices/);
    expect(await x.add(1).item()).toBe(2);
    expect(await y.add(1).item()).toBe(3);
    other.destroy();
  });
});
