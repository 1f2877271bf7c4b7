import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { conv2d, convGeometry, convVariants } from '../../engine/ops/conv.js';
import { sizeOf } from '../../engine/shape.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const draw = (shape: readonly number[], seed: number): Tensor =>
  tensor(uniformFloats(sizeOf(shape), seed), { device, shape });

/** Kernels and epilogues of one more run. */
function epiloguesOf(make: () => unknown): string[] {
  const found: string[] = [];
  const prepare = device.prepare.bind(device);
  device.prepare = (commands) => {
    for (const command of commands) {
      if (command.kind !== 'dispatch') continue;
      const { kernel, constants } = command.dispatch;
      found.push(`${kernel.name} ${String(constants?.['EPILOGUE'] ?? '')}`.trim());
    }
    return prepare(commands);
  };
  make();
  device.prepare = prepare;
  return found;
}

/** [input, weight, options] that need a direct kernel, and sizes off every tile. */
const SHAPES: readonly (readonly [number[], number[], object])[] = [
  [[2, 3, 13, 11], [5, 3, 3, 3], { padding: 1 }],
  [[1, 8, 12, 12], [8, 8, 3, 3], { padding: 1 }],
  [[3, 4, 9, 7], [6, 4, 3, 3], {}],
  [[2, 3, 10, 9], [4, 3, 3, 3], { stride: 2, padding: 1 }],
  [[2, 5, 6, 6], [7, 5, 1, 1], {}],
];

describe('epilogues', () => {
  it.each(SHAPES)('of a convolution of %j by %j have the bits of the operations alone', async (xs, ws, options) => {
    const weight = draw(ws, 2);
    const bias = draw([ws[0] ?? 1], 3);
    const variants = convVariants(device.caps, 'forward', convGeometry('test', xs, ws, options));
    // The driver with eight lanes takes up to seconds to compile each.
    const few = device.caps.subgroupSize === 8 && xs !== SHAPES[0]?.[0];
    for (const variant of few ? variants.slice(0, 1) : variants) {
      const fn = (x: Tensor): Tensor[] => {
        const start = x.detach().requireGrad();
        const inner = start.mul(2).relu();
        const y = conv2d(inner, weight, bias, { ...options, variant }).relu();
        return [y, ...grad(y.mul(y).sum(), [start])];
      };
      const [compiled, plain] = [compile(fn), compile(fn, { fuse: false })];
      for (const seed of [1, 2, 3]) {
        const x = draw(xs, seed);
        const [got, expected] = [compiled(x), plain(x)];
        for (const [index, value] of expected.entries())
          expect(await got[index]?.floats()).toEqual(await value.floats());
      }
      compiled.dispose();
      plain.dispose();
    }
  });

  it('take the place of a ReLU and of its gradient', () => {
    const weight = draw([8, 8, 3, 3], 2);
    const compiled = compile((x: Tensor) => {
      const start = x.detach().requireGrad();
      const y = conv2d(start.relu(), weight, null, { padding: 1, variant: 'plain' }).relu();
      return grad(y.sum(), [start]);
    });
    const found = epiloguesOf(() => compiled(draw([1, 8, 12, 12], 1)));
    expect(found).toContain('conv_direct relu');
    expect(found).toContain('conv_direct reluGrad');
    compiled.dispose();
  });

  it.each([
    ['by residues of the position', [2, 8, 12, 12], { stride: 2, padding: 1, variant: 'plain' }, 'conv_direct', 4],
    ['by parts of the images', [45, 16, 32, 32], { padding: 1, variant: 'winograd4' }, 'winograd_output', 3],
  ] as const)('take their place where a kernel stores its result %s', async (_, shape, options, kernel, parts) => {
    const weight = draw([shape[1], shape[1], 3, 3], 2);
    const fn = (x: Tensor): Tensor[] => {
      const start = x.detach().requireGrad();
      return grad(conv2d(start.relu(), weight, null, options).square().sum(), [start]);
    };
    const [compiled, plain] = [compile(fn), compile(fn, { fuse: false })];
    const x = draw(shape, 1);
    const found = epiloguesOf(() => compiled(x));
    expect(found.filter((each) => each === `${kernel} reluGrad`)).toHaveLength(parts);
    expect(await compiled(x)[0]?.floats()).toEqual(await plain(x)[0]?.floats());
    compiled.dispose();
    plain.dispose();
  });

  it('leave alone what somebody else reads', async () => {
    const weight = draw([8, 8, 3, 3], 2);
    const fn = (x: Tensor): Tensor => {
      const y = conv2d(x, weight, null, { padding: 1, variant: 'plain' });
      return y.relu().sub(y.mean());
    };
    const compiled = compile(fn);
    const x = draw([1, 8, 12, 12], 1);
    expect(epiloguesOf(() => compiled(x))).toContain('conv_direct none');
    const [got, expected] = [await compiled(x).floats(), await fn(x).floats()];
    got.forEach((value, at) => expect(value).toBeCloseTo(expected[at] ?? NaN, 5));
    compiled.dispose();
  });

  it('wait for what they read', async () => {
    // The ReLU whose gradient is taken comes after the convolution that would read its result.
    const weight = draw([8, 8, 3, 3], 2);
    const fn = (x: Tensor): Tensor => {
      const y = conv2d(x, weight, null, { padding: 1, variant: 'plain' });
      const late = x.mul(0.5).sum().expand([1, 8, 12, 12]).mul(x).requireGrad();
      const [gradient = y] = grad(late.relu(), [late], { gradOutput: y });
      return gradient;
    };
    const compiled = compile(fn);
    for (const seed of [1, 2, 3]) {
      const x = draw([1, 8, 12, 12], seed);
      expect(await compiled(x).floats()).toEqual(await fn(x).floats());
    }
    compiled.dispose();
  });
});
