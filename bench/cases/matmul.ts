import { matmul, tensor } from '../../engine/index.js';
import type { Case } from '../case.js';
import { lazily, uniform } from '../data.js';

/** Square products. */
export function matmulCases(sizes: readonly number[]): Case[] {
  return sizes.map((n): Case => {
    const shape: [number, number] = [n, n];
    const left = lazily(() => uniform(shape, 1));
    const right = lazily(() => uniform(shape, 2));
    return {
      name: `matmul ${n}`,
      group: 'matmul',
      flops: 2 * n ** 3,
      tolerance: 1e-5,
      bulwark: (device) => {
        const [a, b] = [tensor(left(), { device, shape }), tensor(right(), { device, shape })];
        return {
          run: () => [matmul(a, b)],
          dispose: () => [a, b].forEach((each) => each.dispose()),
        };
      },
      jax: ({ numpy: np, jit }) => {
        const [a, b] = [np.array(left(), { shape }), np.array(right(), { shape })];
        const product = jit(np.matmul);
        return {
          run: () => [product(a.ref, b.ref)],
          dispose: () => [a, b].forEach((each) => each.dispose()),
        };
      },
      tfjs: (tf) => {
        const [a, b] = [tf.tensor2d(left(), shape), tf.tensor2d(right(), shape)];
        return {
          run: () => [tf.matMul(a, b)],
          dispose: () => [a, b].forEach((each) => each.dispose()),
        };
      },
    };
  });
}
