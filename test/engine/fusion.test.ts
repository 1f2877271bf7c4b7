import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchNorm2d, compile, grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const draw = (shape: number[], seed: number, low = -1, high = 1): Tensor => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(uniformFloats(size, seed, low, high), { device, shape });
};

/** The rounding of a chain of a few operations on numbers of about 1. */
const CLOSE = 2e-6;

async function expectClose(got: Tensor, expected: Tensor): Promise<void> {
  expect(got.shape).toEqual(expected.shape);
  const [a, b] = [await got.floats(), await expected.floats()];
  a.forEach((value, at) => {
    const right = b[at] ?? NaN;
    expect(Math.abs(value - right), `element ${at}: ${value} for ${right}`).toBeLessThanOrEqual(
      CLOSE * Math.max(1, Math.abs(right)),
    );
  });
}

/** Dispatches of one more run. */
function dispatchesOf(run: () => unknown): number {
  const before = device.counters.dispatches;
  run();
  return device.counters.dispatches - before;
}

describe('fusion', () => {
  it.each([[[1]], [[7]], [[1031]], [[3, 5, 17]]])('a chain over %s becomes one dispatch', async (shape) => {
    const fn = (x: Tensor, y: Tensor): Tensor =>
      x.mul(0.5).add(0.1).tanh().mul(y).sub(x).clamp({ min: -0.4, max: 0.4 });
    const compiled = compile(fn);
    for (const seed of [1, 2, 3]) {
      const [x, y] = [draw(shape, seed), draw(shape, 10 + seed)];
      await expectClose(compiled(x, y), fn(x, y));
    }
    const [x, y] = [draw(shape, 4), draw(shape, 5)];
    expect(dispatchesOf(() => compiled(x, y))).toBe(1);
    expect(dispatchesOf(() => fn(x, y))).toBe(6);
    compiled.dispose();
  });

  it('a chain of an empty tensor is none', () => {
    const compiled = compile((x: Tensor) => x.mul(2).add(1));
    expect(compiled(draw([0, 3], 1)).shape).toEqual([0, 3]);
    compiled.dispose();
  });

  it('stores what is read elsewhere, and goes on', async () => {
    const fn = (x: Tensor): Tensor[] => {
      const a = x.mul(3);
      const b = a.exp();
      return [a, b, b.sum(), b.add(a).mul(0.25)];
    };
    const compiled = compile(fn);
    for (const seed of [1, 2, 3]) {
      const x = draw([37], seed);
      const [got, expected] = [compiled(x), fn(x)];
      for (const [index, value] of got.entries()) await expectClose(value, expected[index] ?? value);
    }
    compiled.dispose();
  });

  it('takes single elements and numbers for whole tensors', async () => {
    const fn = (x: Tensor, s: Tensor): Tensor =>
      x
        .mul(s)
        .add(s)
        .sub(2)
        .mul(x.sum().mul(0.01).expand([5, 9]));
    const compiled = compile(fn);
    for (const seed of [1, 2, 3]) {
      const [x, s] = [draw([5, 9], seed), draw([1], 20 + seed)];
      await expectClose(compiled(x, s), fn(x, s));
    }
    compiled.dispose();
  });

  it('does not read one element of what it is still making', async () => {
    // The same buffer as a vector and, after it is complete, as a single element for all.
    const fn = (x: Tensor): Tensor => {
      const scale = x.slice([{ end: 1 }]).mul(2);
      return x.mul(scale).add(scale);
    };
    const compiled = compile(fn);
    for (const shape of [[1], [4], [9]]) {
      const x = draw(shape, 3);
      await expectClose(compiled(x), fn(x));
    }
    compiled.dispose();
  });

  it('splits where the adapter has no more bindings', async () => {
    const limit = device.gpu.limits.maxStorageBuffersPerShaderStage;
    const count = 2 * limit;
    const fn = (...xs: Tensor[]): Tensor => xs.reduce((sum, x) => sum.add(x));
    const compiled = compile(fn);
    const xs = Array.from({ length: count }, (_, index) => draw([33], index));
    await expectClose(compiled(...xs), fn(...xs));
    const dispatches = dispatchesOf(() => compiled(...xs));
    // A dispatch binds its result, its inputs, and but for the first the sum so far.
    const expected = 1 + Math.ceil((count - (limit - 1)) / (limit - 2));
    expect(dispatches).toBe(expected);
    compiled.dispose();
  });

  it('keeps what comes in between in its place', async () => {
    const fn = (x: Tensor): Tensor => {
      const a = x.mul(2);
      const total = a.sum();
      return a.add(total).mul(a.sum().sub(total).add(1));
    };
    const compiled = compile(fn);
    const x = draw([130], 1);
    await expectClose(compiled(x), fn(x));
    compiled.dispose();
  });

  it('joins batch normalisation, the addition of a shortcut and the ReLU after it', async () => {
    const [n, c, size] = [3, 6, 4];
    const [weight, bias] = [draw([c], 1, 0.5, 1.5), draw([c], 2)];
    const [runningMean, runningVar] = [draw([c], 3), draw([c], 4, 0.5, 2)];
    const options = { weight, bias, runningMean, runningVar, training: false };
    const fn = (x: Tensor, shortcut: Tensor): Tensor => batchNorm2d(x, options).add(shortcut).relu();
    const compiled = compile(fn);
    for (const seed of [5, 6, 7]) {
      const [x, shortcut] = [draw([n, c, size, size], seed), draw([n, c, size, size], 10 + seed)];
      await expectClose(compiled(x, shortcut), fn(x, shortcut));
    }
    const [x, shortcut] = [draw([n, c, size, size], 8), draw([n, c, size, size], 9)];
    expect(dispatchesOf(() => compiled(x, shortcut))).toBe(1);
    // Planes that do not divide into vectors stay by themselves.
    const odd = [draw([n, c, 3, 3], 8), draw([n, c, 3, 3], 9)] as const;
    await expectClose(compiled(...odd), fn(...odd));
    compiled.dispose();
  });

  it('of a function with gradients is within the rounding of its operations', async () => {
    const fn = (x: Tensor): Tensor[] => {
      const y = x.detach().requireGrad();
      return grad(y.sigmoid().mul(y).square().sum(), [y]);
    };
    const compiled = compile(fn);
    for (const seed of [1, 2, 3]) {
      const x = draw([41], seed);
      const [[got], [expected]] = [compiled(x), fn(x)];
      if (got && expected) await expectClose(got, expected);
    }
    const x = draw([41], 4);
    expect(dispatchesOf(() => compiled(x))).toBeLessThan(dispatchesOf(() => fn(x)));
    compiled.dispose();
  });

  it('of any function gives what the function gives, on the first, second and third run', async () => {
    const unary = ['neg', 'tanh', 'sigmoid', 'relu', 'square', 'sin'] as const;
    const binary = ['add', 'sub', 'mul', 'maximum', 'minimum'] as const;
    const step = fc.record({
      op: fc.constantFrom(...unary, ...binary, 'sum' as const),
      left: fc.nat(20),
      right: fc.nat(20),
      scalar: fc.option(fc.integer({ min: -3, max: 3 })),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 14 }),
        fc.integer({ min: 1, max: 70 }),
        async (steps, size) => {
          const fn = (...inputs: Tensor[]): Tensor[] => {
            const values = [...inputs];
            const pick = (index: number): Tensor => values[index % values.length] as Tensor;
            for (const { op, left, right, scalar } of steps) {
              const a = pick(left);
              if (op === 'sum') values.push(a.sum().mul(0.02));
              else if (op === 'relu' || op === 'neg' || op === 'tanh' || op === 'sigmoid' || op === 'sin')
                values.push(a[op]());
              else if (op === 'square') values.push(a.tanh().square());
              else values.push(a[op](scalar ?? pick(right)).mul(0.5));
            }
            return values.slice(inputs.length);
          };
          const [fused, plain] = [compile(fn), compile(fn, { fuse: false })];
          for (const seed of [1, 2, 3]) {
            const inputs = [draw([size], seed), draw([size], seed + 10), draw([1], seed + 20)];
            const expected = fn(...inputs);
            const [a, b] = [fused(...inputs), plain(...inputs)];
            for (const [index, value] of expected.entries()) {
              await expectClose(a[index] ?? value, value);
              expect(await b[index]?.floats()).toEqual(await value.floats());
            }
          }
          fused.dispose();
          plain.dispose();
        },
      ),
      { numRuns: 25 },
    );
  });
});
