import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  Generator,
  GradError,
  ShapeError,
  backward,
  batchJacobian,
  checkpoint,
  conv2d,
  customOp,
  dropout,
  exp,
  grad,
  gradcheck,
  gradgradcheck,
  jacobian,
  jvp,
  keep,
  linear,
  logSoftmax,
  matmul,
  mul,
  relu,
  sign,
  sum,
  tanh,
  tensor,
  vjp,
  zeros,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { distance } from '../support/reference.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeEach(async () => {
  device = await testDevice();
});
afterEach(() => {
  device.destroy();
});

function leaf(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(uniformFloats(size, seed), { shape, device }).requireGrad();
}

async function valuesOf(tensors: readonly Tensor[]): Promise<number[][]> {
  return Promise.all(tensors.map(async (each) => [...(await each.data())]));
}

describe('hooks', () => {
  it('see the whole gradient of a tensor, once, and may replace it', async () => {
    const x = leaf([3], 1);
    const y = mul(x, 2);
    const seen: Tensor[] = [];
    y.registerHook((gradient) => void seen.push(gradient));
    y.registerHook((gradient) => gradient.mul(10));
    const [dx] = grad(sum(mul(y, 3).add(mul(y, 4))), [x]);
    expect(seen).toHaveLength(1);
    expect(await seen[0]?.toArray()).toEqual([7, 7, 7]);
    expect(await dx?.toArray()).toEqual([140, 140, 140]);
  });

  it('of a leaf run too, also in backward(), and can be removed', async () => {
    const x = leaf([2], 1);
    const remove = x.registerHook((gradient) => gradient.neg());
    backward(sum(x));
    expect(await x.grad?.toArray()).toEqual([-1, -1]);
    remove();
    backward(sum(x));
    expect(await x.grad?.toArray()).toEqual([0, 0]);
  });

  it('take part in derivatives of derivatives', async () => {
    const x = tensor([3], { device }).requireGrad();
    const y = mul(x, x);
    y.registerHook((gradient) => gradient.mul(x));
    const [first] = grad(sum(y), [x], { createGraph: true });
    // 2 x * x, whose derivative is 4 x.
    expect(await first?.item()).toBe(18);
    expect(first && (await grad(first, [x])[0]?.item())).toBe(12);
  });

  it('refuse a gradient of another shape, and a tensor without gradient', () => {
    const x = leaf([3], 1);
    x.registerHook(() => zeros([2], { device }));
    expect(() => grad(sum(x), [x])).toThrow(/a hook gave f32 \[2\]; expected f32 \[3\]/);
    expect(() => zeros([2], { device }).registerHook(() => undefined)).toThrow(GradError);
  });
});

describe('customOp', () => {
  const signThrough = customOp({
    name: 'signThrough',
    forward: (x) => sign(x),
    backward: ({ grads }) => [grads[0]],
  });

  it('has the derivative that it was given', async () => {
    const x = tensor([-2, 0.5, 3], { device }).requireGrad();
    const [y] = signThrough(x);
    expect(await y?.toArray()).toEqual([-1, 1, 1]);
    const [dx] = y ? grad(sum(mul(y, x)), [x]) : [];
    // y + x * dy/dx with the straight-through dy/dx = 1.
    expect(await dx?.toArray()).toEqual([-3, 1.5, 4]);
  });

  it('of several outputs and of second order follows its own rule', async () => {
    const powers = customOp({
      name: 'powers',
      forward: (x: Tensor) => [x.square(), x.mul(x).mul(x)],
      backward: ({ grads: [g2, g3], inputs: [x] }) => [
        x && g2 && g3 ? g2.mul(x).mul(2).add(g3.mul(x).mul(x).mul(3)) : undefined,
      ],
    });
    const x = tensor([2], { device }).requireGrad();
    const [square, cube] = powers(x);
    const total = square && cube ? square.add(cube) : x;
    const [first] = grad(sum(total), [x], { createGraph: true });
    expect(await first?.item()).toBe(16);
    expect(first && (await grad(first, [x])[0]?.item())).toBe(14);
  });

  it('frees what its forward pass made on the way, and names a wrong gradient', () => {
    const x = leaf([4], 1);
    const before = device.memory().tensors;
    signThrough(x);
    expect(device.memory().tensors).toBe(before + 1);
    const wrong = customOp({
      name: 'wrong',
      forward: (a) => exp(a),
      backward: () => [zeros([1], { device })],
    });
    const [y] = wrong(x);
    expect(() => y && grad(sum(y), [x])).toThrow(/wrong: backward gave f32 \[1\] for input 0; expected f32 \[4\]/);
    expect(() => wrong()).toThrow(ArgumentError);
  });
});

describe('checkpoint', () => {
  const layers = (x: Tensor, w: Tensor, steps: number): Tensor => {
    let h = x;
    for (let step = 0; step < steps; step++) h = tanh(matmul(h, w));
    return h;
  };

  it('has the values and gradients of the function, to the bit, for what it captures too', async () => {
    const [x, w] = [leaf([5, 6], 1), leaf([6, 6], 2)];
    const plain = layers(x, w, 3);
    const saved = checkpoint((input) => layers(input, w, 3), [x]);
    const seed = tensor(uniformFloats(30, 3), { shape: [5, 6], device });
    expect(await valuesOf([saved, ...grad(saved, [x, w], { gradOutput: seed })])).toEqual(
      await valuesOf([plain, ...grad(plain, [x, w], { gradOutput: seed })]),
    );
  });

  it('counts no path twice where what it captures was computed from its input', async () => {
    const x = leaf([4], 1);
    const run = (through: boolean): Tensor[] => {
      const y = x.mul(x);
      const f = (input: Tensor): Tensor => input.mul(y).add(y.exp());
      return grad(sum(through ? checkpoint((input) => f(input), [y]) : f(y)), [x]);
    };
    expect(await valuesOf(run(true))).toEqual(await valuesOf(run(false)));
  });

  it('has second derivatives', async () => {
    const [x, w] = [leaf([3, 4], 1), leaf([4, 4], 2)];
    const second = (f: (input: Tensor) => Tensor): Tensor[] => {
      const [first] = grad(sum(f(x).square()), [x], { createGraph: true });
      return first ? grad(sum(first.square()), [x, w]) : [];
    };
    const plain = await valuesOf(second((input) => layers(input, w, 2)));
    const saved = await valuesOf(second((input) => checkpoint((y) => layers(y, w, 2), [input])));
    for (const [index, values] of saved.entries()) {
      const { error, norm } = distance(values, plain[index] ?? []);
      expect(error).toBeLessThanOrEqual(1e-5 * norm);
    }
  });

  it('draws the same random mask both times, and leaves the generators where the function would', async () => {
    const x = leaf([100], 1);
    const [a, b] = [new Generator(5), new Generator(5)];
    const plain = dropout(x, 0.5, { generator: a });
    const saved = checkpoint((input) => dropout(input, 0.5, { generator: b }), [x]);
    expect(await valuesOf(grad(sum(saved), [x]))).toEqual(await valuesOf(grad(sum(plain), [x])));
    expect(b.state()).toEqual(a.state());
  });

  it('keeps less: only its inputs and its output stay until the backward pass', () => {
    const [x, w] = [leaf([5, 6], 1), leaf([6, 6], 2)];
    const before = device.memory().tensors;
    checkpoint((input) => layers(input, w, 8), [x]);
    expect(device.memory().tensors).toBe(before + 1);
    layers(x, w, 8);
    expect(device.memory().tensors).toBe(before + 17);
  });
});

describe('functions of functions', () => {
  it('vjp and jvp are the two products with the Jacobian', async () => {
    const [x, w] = [leaf([5], 1), leaf([5, 3], 2)];
    const f = (input?: Tensor): Tensor => tanh(matmul((input as Tensor).reshape([1, 5]), w)).reshape([3]);
    const j = (await jacobian(f, x).toArray()) as number[][];
    const [u, v] = [uniformFloats(3, 3), uniformFloats(5, 4)];
    const { output, vjp: pull } = vjp(f, [x]);
    const [left] = pull(tensor(u, { device }));
    const { tangent, output: same } = jvp(f, [x], [tensor(v, { device })]);
    expect(await valuesOf([output])).toEqual(await valuesOf([same]));
    const byRows = Array.from(v, (_, at) => j.reduce((total, row, r) => total + (row[at] ?? 0) * (u[r] ?? 0), 0));
    const byColumns = j.map((row) => row.reduce((total, part, at) => total + part * (v[at] ?? 0), 0));
    expect(distance((await left?.data()) ?? [], byRows).error).toBeLessThan(1e-6);
    expect(distance(await tangent.data(), byColumns).error).toBeLessThan(1e-6);
  });

  it('jacobian is that of the definition', async () => {
    const x = tensor([1, 2, 3], { device });
    const j = await jacobian((input) => mul(input, input).mul(input), x).toArray();
    expect(j).toEqual([
      [3, 0, 0],
      [0, 12, 0],
      [0, 0, 27],
    ]);
    expect(x.requiresGrad).toBe(false);
  });

  it('batchJacobian is the diagonal of the Jacobian of a batch, in one backward pass for each column', async () => {
    const [m, features, classes] = [4, 6, 3];
    const [x, w] = [leaf([m, features], 1), leaf([classes, features], 2)];
    const f = (input: Tensor): Tensor => logSoftmax(linear(relu(input), w));
    const whole = (await jacobian(f, x).data()) as Float32Array;
    const before = device.counters.dispatches;
    const batch = batchJacobian(f, x);
    const used = device.counters.dispatches - before;
    expect(batch.shape).toEqual([m, classes, features]);
    const diagonal = [];
    for (let sample = 0; sample < m; sample++) {
      for (let column = 0; column < classes; column++) {
        const row = (sample * classes + column) * m * features + sample * features;
        diagonal.push(...whole.subarray(row, row + features));
      }
    }
    expect(distance(await batch.data(), diagonal).error).toBeLessThan(1e-6);
    expect(used).toBeLessThan(60);
    expect(() => batchJacobian((input) => sum(input), x)).toThrow(ShapeError);
  });

  it('refuse tangents that do not fit, and give zeros where nothing depends', async () => {
    const x = leaf([3], 1);
    expect(() => jvp((a) => exp(a), [x], [zeros([2], { device })])).toThrow(
      /expected one for each input, of shapes \[3\]/,
    );
    expect(await jvp(() => zeros([2], { device }), [x], [zeros([3], { device })]).tangent.toArray()).toEqual([0, 0]);
    expect(await grad(sum(x), [x, leaf([2], 2)], { allowUnused: true })[1]?.toArray()).toEqual([0, 0]);
  });
});

describe('gradcheck', () => {
  it('agrees with what is right, of both orders', async () => {
    const [x, w] = [leaf([4, 3], 1), leaf([3, 2], 2)];
    const f = (a?: Tensor, b?: Tensor): Tensor => tanh(matmul(a as Tensor, b as Tensor));
    for (const check of [gradcheck, gradgradcheck]) {
      const results = await check(f, [x, w]);
      expect(results).toHaveLength(2);
      for (const { error, allowed } of results) expect(error).toBeLessThanOrEqual(allowed);
    }
  });

  it('takes differences in float64 where there is a reference', async () => {
    const x = leaf([50], 1);
    const [result] = await gradcheck((a) => exp(a), [x], { reference: (a: Float64Array) => a.map(Math.exp) });
    expect(result?.allowed).toBeLessThan(2e-3);
  });

  it('finds a gradient that is 3 % off', async () => {
    const off = customOp({
      name: 'off',
      forward: (x) => exp(x),
      backward: ({ grads: [g], outputs: [y] }) => [g && y?.mul(g).mul(1.03)],
    });
    const f = (x?: Tensor): Tensor => off(x as Tensor)[0] as Tensor;
    await expect(gradcheck(f, [leaf([5], 1)])).rejects.toThrow(/gradcheck: input 0: along direction \d autograd gives/);
  });
});

describe('a graph', () => {
  it('is gone through once by backward(), unless it is retained', async () => {
    const x = leaf([2], 1);
    const loss = sum(mul(x, x));
    backward(loss, undefined, { retainGraph: true });
    backward(loss);
    expect(await valuesOf([x.grad as Tensor])).toEqual(await valuesOf([mul(x, 4)]));
    expect(() => {
      backward(loss);
    }).toThrow(/backward\(\) has been through this graph; .*retainGraph: true/);
    expect(() => grad(loss, [x])).toThrow(GradError);
  });

  it('notices a saved tensor that was changed in place', () => {
    const [x, w] = [leaf([3], 1), leaf([3], 2)];
    const loss = sum(mul(x, w));
    w.copyFrom(zeros([3], { device }));
    expect(() => grad(loss, [x])).toThrow(
      /backward of mul: its input 1 of shape \[3\] was changed in place after the forward pass/,
    );
    expect(() => grad(sum(mul(x, w)), [x])).not.toThrow();
  });

  it('computes for inputs only what they need', () => {
    const dispatchesFor = (run: () => void): number => {
      const before = device.counters.dispatches;
      run();
      return device.counters.dispatches - before;
    };
    const [x, w] = [leaf([2, 3, 8, 8], 1), leaf([4, 3, 3, 3], 2)];
    const seed = keep(zeros([2, 4, 6, 6], { device }));
    const y = conv2d(x, w);
    const [forInput, forWeight, forBoth] = [[x], [w], [x, w]].map((wanted) =>
      dispatchesFor(() => void grad(y, wanted, { gradOutput: seed })),
    );
    expect(forBoth).toBe((forInput ?? 0) + (forWeight ?? 0));
    expect(forInput).toBeGreaterThan(0);
    expect(forWeight).toBeGreaterThan(0);
  });
});
