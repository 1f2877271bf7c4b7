import { grad } from '../autograd.js';
import type { Device } from '../device.js';
import { tensor } from '../ops/create.js';
import { Generator } from '../random.js';
import { sizeOf, type Shape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import type { Values } from './reference.js';

/** What the GPU computed, and the values that it should have. */
export interface Expectation {
  readonly got: Tensor | Values;
  readonly expected: Values;
}

/** One kernel family's case. */
export interface KernelCase {
  readonly name: string;
  /** The largest error allowed, as a part of the largest expected magnitude; 0 where the bits have to agree. */
  readonly tolerance: number;
  /** Records the work; tensors that it makes belong to the caller's scope. */
  readonly run: (device: Device) => readonly Expectation[] | Promise<readonly Expectation[]>;
}

/** Normal numbers, the same at every call with the same seed. */
export function normal(count: number, seed: number): Float32Array<ArrayBuffer> {
  return new Generator(seed).normal(count);
}

/** A leaf tensor of normal numbers, with those numbers. */
export function leaf(device: Device, shape: Shape, seed: number): { t: Tensor; values: Float32Array } {
  const values = normal(sizeOf(shape), seed);
  return { t: tensor(values, { shape, device }).requireGrad(), values };
}

/** The gradients of `output` for a given gradient at it. */
export function gradients(output: Tensor, inputs: readonly Tensor[], dy: Tensor): Tensor[] {
  return grad(output, inputs, { gradOutput: dy });
}

/** A result that is there, with what it should be. */
export function pair(got: Tensor | undefined, expected: Values): Expectation[] {
  return got ? [{ got, expected }] : [];
}
