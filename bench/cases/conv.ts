import { compile, conv2d, conv2dInputGrad, conv2dWeightGrad, grad, tensor } from '../../engine/index.js';
import { sizeOf } from '../../engine/shape.js';
import type { Case, Jax, JaxArray, Tfjs, TfjsTensor } from '../case.js';
import { lazily, permuted, uniform } from '../data.js';

/** A convolution: `n` images of `c` channels and `size` x `size` pixels, `k` kernels of `kernel` x `kernel`. */
export interface ConvShape {
  readonly name: string;
  readonly n: number;
  readonly c: number;
  readonly size: number;
  readonly k: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** What is computed: one pass alone, or both gradients of a loss that is not linear in the result. */
const PASSES = ['forward', 'input gradient', 'weight gradient', 'forward + both gradients'] as const;
type Pass = (typeof PASSES)[number];

/** Every pass of every convolution. */
export function convCases(shapes: readonly ConvShape[]): Case[] {
  return shapes.flatMap((shape) => PASSES.map((pass) => convCase(shape, pass)));
}

type Shape4 = [number, number, number, number];

/** Order of axes from [N, C, H, W] to [N, H, W, C], from [K, C, R, Q] to [R, Q, C, K], and back. */
const NHWC = [0, 2, 3, 1] as const;
const RQCK = [2, 3, 1, 0] as const;
const NCHW = [0, 3, 1, 2];
const KCRQ = [3, 2, 0, 1];

function convCase(of: ConvShape, pass: Pass): Case {
  const { n, c, size, k, kernel, stride, padding } = of;
  const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const shapes = {
    x: [n, c, size, size] as Shape4,
    w: [k, c, kernel, kernel] as Shape4,
    dy: [n, k, out, out] as Shape4,
  };
  const data = lazily(() => ({ x: uniform(shapes.x, 1), w: uniform(shapes.w, 2), dy: uniform(shapes.dy, 3) }));
  return {
    name: `${of.name}, ${pass}`,
    group: 'convolution',
    flops: (pass === 'forward + both gradients' ? 3 : 1) * 2 * n * out * out * k * sizeOf([c, kernel, kernel]),
    // Winograd's weight gradient of sums over many pixels.
    tolerance: 2e-5,
    bulwark: (device) => {
      const make = (name: keyof typeof shapes) => tensor(data()[name], { device, shape: shapes[name] });
      const [x, w, dy] = [make('x').requireGrad(), make('w').requireGrad(), make('dy')];
      const options = { stride, padding };
      const passes = {
        forward: () => [conv2d(x.detach(), w.detach(), null, options)],
        'input gradient': () => [conv2dInputGrad(dy, w.detach(), shapes.x, options)],
        'weight gradient': () => [conv2dWeightGrad(x.detach(), dy, shapes.w, options)],
        'forward + both gradients': () => grad(conv2d(x, w, null, options).square().sum(), [x, w]),
      };
      const captured = compile(passes[pass], { device });
      return {
        run: captured,
        dispose: () => {
          captured.dispose();
          for (const each of [x, w, dy]) each.dispose();
        },
      };
    },
    jax: (jax) => jaxConv(jax, of, pass, shapes, data()),
    tfjs: (tf) => tfjsConv(tf, of, pass, shapes, data()),
  };
}

interface Shapes {
  readonly x: Shape4;
  readonly w: Shape4;
  readonly dy: Shape4;
}
type Data = Readonly<Record<keyof Shapes, Float32Array<ArrayBuffer>>>;

function jaxConv({ numpy: np, lax, jit, grad: gradient }: Jax, of: ConvShape, pass: Pass, shapes: Shapes, data: Data) {
  const make = (name: keyof Shapes): JaxArray => np.array(data[name], { shape: shapes[name] });
  const [x, w, dy] = [make('x'), make('w'), make('dy')];
  const around: [number, number][] = [
    [of.padding, of.padding],
    [of.padding, of.padding],
  ];
  const conv = (a: JaxArray, b: JaxArray): JaxArray => lax.convGeneralDilated(a, b, [of.stride, of.stride], around);
  const along = (a: JaxArray, b: JaxArray, g: JaxArray): JaxArray => conv(a, b).mul(g).sum();
  const squares = (a: JaxArray, b: JaxArray): JaxArray => {
    const y = conv(a, b);
    return y.ref.mul(y).sum();
  };
  const forward = jit(conv);
  const inputGrad = jit(gradient(along, { argnums: 0 }));
  const weightGrad = jit(gradient(along, { argnums: 1 }));
  const both = jit(gradient(squares, { argnums: [0, 1] }));
  const passes: Record<Pass, () => JaxArray[]> = {
    forward: () => [forward(x.ref, w.ref)],
    'input gradient': () => [inputGrad(x.ref, w.ref, dy.ref)],
    'weight gradient': () => [weightGrad(x.ref, w.ref, dy.ref)],
    'forward + both gradients': () => both(x.ref, w.ref),
  };
  return { run: passes[pass], dispose: () => [x, w, dy].forEach((each) => each.dispose()) };
}

function tfjsConv(tf: Tfjs, of: ConvShape, pass: Pass, shapes: Shapes, data: Data) {
  const make = (name: keyof Shapes, order: readonly number[]) =>
    tf.tensor4d(permuted(data[name], shapes[name], order), order.map((axis) => shapes[name][axis]) as Shape4);
  const [x, w, dy] = [make('x', NHWC), make('w', RQCK), make('dy', NHWC)];
  const pad: [[0, 0], [number, number], [number, number], [0, 0]] = [
    [0, 0],
    [of.padding, of.padding],
    [of.padding, of.padding],
    [0, 0],
  ];
  const conv = (a: typeof x, b: typeof w) => tf.conv2d(a, b, of.stride, pad);
  const both = tf.grads((a, b) => tf.sum(tf.square(conv(a as typeof x, b as typeof w))));
  const attrs = { strides: [of.stride, of.stride], pad, dataFormat: 'NHWC', dimRoundingMode: undefined };
  // The kernels that the gradient of conv2d runs, without a forward pass before them.
  const run = (kernel: string, inputs: Record<string, typeof x>, more: Record<string, number[]>) =>
    tf.engine().runKernel<typeof x>(kernel, inputs, { ...attrs, ...more } as never);
  const passes: Record<Pass, () => (typeof x)[]> = {
    forward: () => [conv(x, w)],
    'input gradient': () => [run('Conv2DBackpropInput', { dy, filter: w }, { inputShape: x.shape })],
    'weight gradient': () => [run('Conv2DBackpropFilter', { x, dy }, { filterShape: w.shape })],
    'forward + both gradients': () => both([x, w]) as (typeof x)[],
  };
  return {
    run: passes[pass],
    toCommonLayout: (results: readonly TfjsTensor[]) =>
      results.map((result, index) => tf.transpose(result, index === 1 || pass === 'weight gradient' ? KCRQ : NCHW)),
    dispose: () => [x, w, dy].forEach((each) => each.dispose()),
  };
}
