import { grad } from './autograd.js';
import { zeros } from './ops/create.js';
import { concat } from './ops/movement.js';
import type { TensorFunction } from './functional.js';
import type { Tensor } from './tensor.js';

/** Options of {@link gradcheck} and {@link gradgradcheck}. */
export interface GradcheckOptions {
  /**
   * The same function in float64: arrays of the inputs' values in, the output's values out. With it differences are taken in
   * float64, and tolerances can be a hundred times smaller; without it they are taken on the GPU in float32.
   */
  readonly reference?: (...inputs: Float64Array[]) => ArrayLike<number>;
  /** Half the distance of the two points of a difference; 1e-2 unless told, 1e-5 with a `reference`. */
  readonly eps?: number;
  /** Error allowed as a part of the gradient's length; 1e-2 unless told, 1e-4 with a `reference`. */
  readonly rtol?: number;
  /** Error allowed beside that; 1e-3 unless told, 1e-5 with a `reference`. */
  readonly atol?: number;
  /** Random directions along which each input is checked; 3 unless told. */
  readonly directions?: number;
  /** Of the random directions; 0 unless told. */
  readonly seed?: number;
}

/** How far a derivative is off, for one input. */
export interface GradcheckResult {
  /** Which input. */
  readonly input: number;
  /** The largest difference between the derivative along a direction by autograd and by differences. */
  readonly error: number;
  /** What was allowed. */
  readonly allowed: number;
}

/**
 * Compares the gradients of `fn` at `inputs` (f32, at points where it is smooth) with central differences along random
 * directions, as PyTorch's `gradcheck` in fast mode. `fn` may give a tensor of any shape; a random combination of its elements
 * is differentiated.
 *
 * @returns how far off each input's gradient is
 * @throws GradError naming the input, both numbers and what was allowed, where one is further off
 */
export async function gradcheck(
  fn: TensorFunction,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<GradcheckResult[]> {
  const { compareGradients } = await import('./compare-gradients.js');
  return compareGradients(fn, inputs, options);
}

/**
 * {@link gradcheck} of the gradient of `fn` with respect to its inputs: second derivatives. A `reference`, if given, is of the
 * gradient too: the inputs' values in, the gradients of the sum of all outputs one after another out.
 */
export function gradgradcheck(
  fn: TensorFunction,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<GradcheckResult[]> {
  const gradients: TensorFunction = (...leaves) => {
    const total = fn(...leaves).sum();
    const found = grad(total, leaves, { createGraph: true, allowUnused: true });
    const [first = zeros([0], { device: total.device }), ...rest] = found.map((gradient) => gradient.flatten());
    return concat([first, ...rest]);
  };
  return gradcheck(gradients, inputs, options);
}
