/** What memory bounds: normalisation, losses, reductions and chains of elementwise ops. */
import { batchNorm2d, compile, crossEntropy, grad, ones, softmax, sum, tensor, zeros } from '../../engine/index.js';
import type { Case, JaxArray } from '../case.js';
import { lazily, uniform } from '../data.js';

/** The sizes of the cases. */
export interface MemorySizes {
  /** Elements of the chain and of the sums, a square number. */
  readonly elements: number;
  /** Images, channels and pixels along a side for batch normalisation. */
  readonly images: readonly [number, number, number];
  /** Rows and classes of the cross-entropy. */
  readonly logits: readonly [number, number];
}

/** All of them. */
export function memoryCases(sizes: MemorySizes): Case[] {
  return [chainCase(sizes), ...sumCases(sizes), softmaxCase(sizes), crossEntropyCase(sizes), batchNormCase(sizes)];
}

/** y = x tanh(a x + b) + c x, one pass over memory where it is fused. */
function chainCase({ elements }: MemorySizes): Case {
  const data = lazily(() => uniform([elements], 1));
  return {
    name: `x tanh(0.5 x + 0.1) + 0.25 x of ${elements}`,
    group: 'memory',
    bytes: 8 * elements,
    tolerance: 1e-6,
    bulwark: (device) => {
      const x = tensor(data(), { device });
      const chain = compile(() => [x.mul(0.5).add(0.1).tanh().mul(x).add(x.mul(0.25))], { device });
      return {
        run: chain,
        dispose: () => {
          chain.dispose();
          x.dispose();
        },
      };
    },
    jax: ({ numpy: np, jit }) => {
      const x = np.array(data(), { shape: [elements] });
      const chain = jit((a: JaxArray) => np.tanh(a.ref.mul(0.5).add(0.1)).mul(a.ref).add(a.mul(0.25)));
      return { run: () => [chain(x.ref)], dispose: () => x.dispose() };
    },
    tfjs: (tf) => {
      const x = tf.tensor1d(data());
      const chain = () => tf.add(tf.mul(tf.tanh(tf.add(tf.mul(x, 0.5), 0.1)), x), tf.mul(x, 0.25));
      return { run: () => [chain()], dispose: () => x.dispose() };
    },
  };
}

function sumCases({ elements }: MemorySizes): Case[] {
  const side = Math.sqrt(elements);
  const shape: [number, number] = [side, side];
  const data = lazily(() => uniform(shape, 2).map(Math.abs));
  return [undefined, 0, 1].map((axis): Case => ({
    name: `sum of ${side} x ${side}${axis === undefined ? '' : ` over axis ${axis}`}`,
    group: 'memory',
    bytes: 4 * elements,
    tolerance: 1e-5,
    bulwark: (device) => {
      const x = tensor(data(), { device, shape });
      return { run: () => [sum(x, axis)], dispose: () => x.dispose() };
    },
    jax: ({ numpy: np, jit }) => {
      const x = np.array(data(), { shape });
      const total = jit((a: JaxArray) => np.sum(a, axis ?? null));
      return { run: () => [total(x.ref)], dispose: () => x.dispose() };
    },
    tfjs: (tf) => {
      const x = tf.tensor2d(data(), shape);
      return { run: () => [tf.sum(x, axis)], dispose: () => x.dispose() };
    },
  }));
}

function softmaxCase({ logits: [rows, classes] }: MemorySizes): Case {
  const shape: [number, number] = [rows, classes];
  const data = lazily(() => uniform(shape, 3).map((value) => 8 * value));
  return {
    name: `softmax of ${rows} x ${classes}`,
    group: 'memory',
    bytes: 8 * rows * classes,
    tolerance: 1e-5,
    bulwark: (device) => {
      const z = tensor(data(), { device, shape });
      return { run: () => [softmax(z, 1)], dispose: () => z.dispose() };
    },
    jax: ({ numpy: np, nn, jit }) => {
      const z = np.array(data(), { shape });
      const probabilities = jit((a: JaxArray) => nn.softmax(a, 1));
      return { run: () => [probabilities(z.ref)], dispose: () => z.dispose() };
    },
    tfjs: (tf) => {
      const z = tf.tensor2d(data(), shape);
      return { run: () => [tf.softmax(z)], dispose: () => z.dispose() };
    },
  };
}

/** The mean loss and its gradient. */
function crossEntropyCase({ logits: [rows, classes] }: MemorySizes): Case {
  const shape: [number, number] = [rows, classes];
  const data = lazily(() => uniform(shape, 4).map((value) => 8 * value));
  const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7) % classes);
  return {
    name: `softmax cross-entropy of ${rows} x ${classes}, with its gradient`,
    group: 'memory',
    bytes: 8 * rows * classes,
    tolerance: 1e-5,
    bulwark: (device) => {
      const [z, y] = [tensor(data(), { device, shape }).requireGrad(), tensor(labels, { device })];
      const captured = compile(
        () => {
          const loss = crossEntropy(z, y);
          return [loss.detach(), ...grad(loss, [z])];
        },
        { device },
      );
      return {
        run: captured,
        dispose: () => {
          captured.dispose();
          for (const each of [z, y]) each.dispose();
        },
      };
    },
    jax: ({ numpy: np, nn, jit, valueAndGrad }) => {
      const z = np.array(data(), { shape });
      const y = nn.oneHot(np.array(labels, { shape: [rows] }), classes);
      const loss = (a: JaxArray, b: JaxArray): JaxArray =>
        nn
          .logSoftmax(a, 1)
          .mul(b)
          .sum()
          .mul(-1 / rows);
      const both = jit(valueAndGrad(loss));
      return { run: () => both(z.ref, y.ref), dispose: () => [z, y].forEach((each) => each.dispose()) };
    },
    tfjs: (tf) => {
      const [z, y] = [tf.tensor2d(data(), shape), tf.oneHot(tf.tensor1d(labels), classes)];
      const both = tf.valueAndGrad((a) => tf.losses.softmaxCrossEntropy(y, a));
      return {
        run: () => {
          const { value, grad: gradient } = both(z);
          return [value, gradient];
        },
        dispose: () => [z, y].forEach((each) => each.dispose()),
      };
    },
  };
}

/** Batch normalisation by the batch's own statistics, forward and all three gradients of sum(y^2 w). */
function batchNormCase({ images: [n, c, size] }: MemorySizes): Case {
  const shape: [number, number, number, number] = [n, c, size, size];
  const data = lazily(() => uniform(shape, 5));
  const weights = uniform([c], 6);
  const upstream = uniform([n, 1, size, size], 7);
  const elements = n * c * size * size;
  return {
    name: `batch norm of ${shape.join(' x ')}, forward + gradients`,
    group: 'memory',
    bytes: 4 * 6 * elements,
    tolerance: 1e-4,
    bulwark: (device) => {
      const [x, weight] = [tensor(data(), { device, shape }).requireGrad(), tensor(weights, { device }).requireGrad()];
      const bias = tensor(weights, { device }).requireGrad();
      const g = tensor(upstream, { device, shape: [n, 1, size, size] });
      const inputs = [x, weight, bias];
      const running = { runningMean: zeros([c], { device }), runningVar: ones([c], { device }) };
      const norm = { weight, bias, ...running, training: true };
      const captured = compile(() => grad(batchNorm2d(x, norm).square().mul(g).sum(), inputs), { device });
      return {
        run: captured,
        dispose: () => {
          captured.dispose();
          for (const each of [...inputs, g, ...Object.values(running)]) each.dispose();
        },
      };
    },
    jax: ({ numpy: np, jit, grad: gradient }) => {
      const arrays = [
        np.array(data(), { shape }),
        np.array(weights, { shape: [1, c, 1, 1] }),
        np.array(weights, { shape: [1, c, 1, 1] }),
        np.array(upstream, { shape: [n, 1, size, size] }),
      ] as const;
      const axes = [0, 2, 3];
      const loss = (x: JaxArray, weight: JaxArray, bias: JaxArray, g: JaxArray): JaxArray => {
        const mean = np.mean(x.ref, axes, { keepdims: true });
        const centred = x.sub(mean);
        const variance = np.mean(centred.ref.mul(centred.ref), axes, { keepdims: true });
        const y = centred
          .mul(np.reciprocal(np.sqrt(variance.add(1e-5))))
          .mul(weight)
          .add(bias);
        return y.ref.mul(y).mul(g).sum();
      };
      const all = jit(gradient(loss, { argnums: [0, 1, 2] }));
      return {
        run: () => all(arrays[0].ref, arrays[1].ref, arrays[2].ref, arrays[3].ref),
        dispose: () => arrays.forEach((each) => each.dispose()),
      };
    },
    tfjs: (tf) => {
      const nhwc = (values: Float32Array, channels: number) => {
        const flat = tf.tensor4d(values, [n, channels, size, size]);
        const result = tf.transpose(flat, [0, 2, 3, 1]);
        flat.dispose();
        return result;
      };
      const [x, g] = [nhwc(data(), c), nhwc(upstream, 1)];
      const [weight, bias] = [tf.tensor1d(weights), tf.tensor1d(weights)];
      const all = tf.grads((a, w, b) => {
        const { mean, variance } = tf.moments(a, [0, 1, 2]);
        const y = tf.batchNorm(a, mean, variance, b, w, 1e-5);
        return tf.sum(tf.mul(tf.square(y), g));
      });
      return {
        run: () => all([x, weight, bias]),
        toCommonLayout: ([dx, ...others]) => [...(dx ? [tf.transpose(dx, [0, 3, 1, 2])] : []), ...others],
        dispose: () => [x, g, weight, bias].forEach((each) => each.dispose()),
      };
    },
  };
}
