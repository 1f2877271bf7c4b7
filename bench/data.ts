/** The inputs of the suite: the same numbers for every library. */
import { Generator } from '../engine/index.js';
import { sizeOf, type Shape } from '../engine/shape.js';

/** What `make` gives, made when it is first asked for: the suite is listed without its inputs. */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** Numbers from -1 to 1, by the seed. */
export function uniform(shape: Shape, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(new Generator(seed).uniform(sizeOf(shape)), (value) => 2 * value - 1);
}

/** `[A, B, C, D]` with its axes in another order. */
export function permuted(values: Float32Array, shape: Shape, order: readonly number[]): Float32Array<ArrayBuffer> {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const [a = 1, b = 1, c = 1, d = 1] = order.map((axis) => shape[axis] ?? 1);
  const [sa = 0, sb = 0, sc = 0, sd = 0] = order.map((axis) => strides[axis] ?? 0);
  const result = new Float32Array(a * b * c * d);
  let at = 0;
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++)
        for (let l = 0; l < d; l++) result[at++] = values[i * sa + j * sb + k * sc + l * sd] ?? NaN;
  return result;
}
