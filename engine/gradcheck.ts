import { grad } from './autograd.js';
import { GradError } from './errors.js';
import { tensor, zeros } from './ops/create.js';
import { concat } from './ops/movement.js';
import { Generator } from './random.js';
import type { TensorFunction } from './functional.js';
import type { Shape } from './shape.js';
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
  const { reference, directions = 3, seed = 0 } = options;
  const {
    eps = 1e-2,
    rtol = 1e-2,
    atol = 1e-3,
  } = reference ? { eps: 1e-5, rtol: 1e-4, atol: 1e-5, ...options } : options;
  const [{ device } = noInputs()] = inputs;
  return device.scope(async () => {
    const generator = new Generator(seed);
    const values = await Promise.all(inputs.map(async (input) => Float64Array.from(await input.floats())));
    const leaves = inputs.map((input) => input.detach().requireGrad());
    const output = fn(...leaves);
    const weights = generator.uniform(output.size, 1);
    const gradOutput = tensor(weights, { shape: output.shape, device });
    const gradients = grad(output, leaves, { gradOutput, allowUnused: true });
    const evaluate = async (point: readonly Float64Array[]): Promise<number> =>
      dot(weights, reference ? reference(...point) : await valueOf(fn, point, inputs));
    const results: GradcheckResult[] = [];
    for (const [index, gradient] of gradients.entries()) {
      const analytic = Float64Array.from(await gradient.floats());
      const allowed = atol + rtol * Math.sqrt(dot(analytic, analytic));
      let worst = 0;
      for (let count = 0; count < directions; count++) {
        const direction = unitVector(generator, analytic.length);
        const at = (step: number): Promise<number> =>
          evaluate(values.map((value, other) => (other === index ? along(value, direction, step) : value)));
        // Richardson's extrapolation of two central differences: the error falls with the fourth power of eps.
        const [near, far] = [await difference(at, eps / 2), await difference(at, eps)];
        const numeric = (4 * near - far) / 3;
        const error = Math.abs(dot(analytic, direction) - numeric);
        worst = Math.max(worst, error);
        if (!(error <= allowed)) {
          throw new GradError(
            `gradcheck: input ${index}: along direction ${count} autograd gives ${dot(analytic, direction).toPrecision(6)} and ` +
              `differences give ${numeric.toPrecision(6)}; allowed is ${allowed.toPrecision(3)}`,
          );
        }
      }
      results.push({ input: index, error: worst, allowed });
    }
    return results;
  });
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

function noInputs(): never {
  throw new GradError('gradcheck: no inputs; expected at least one tensor');
}

async function difference(at: (step: number) => Promise<number>, eps: number): Promise<number> {
  return ((await at(eps)) - (await at(-eps))) / (2 * eps);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let index = 0; index < a.length; index++) total += (a[index] ?? 0) * (b[index] ?? Number.NaN);
  return total;
}

function along(value: Float64Array, direction: Float64Array, step: number): Float64Array {
  return value.map((part, index) => part + step * (direction[index] ?? 0));
}

function unitVector(generator: Generator, length: number): Float64Array {
  const vector = Float64Array.from(generator.normal(length));
  const norm = Math.sqrt(dot(vector, vector)) || 1;
  return vector.map((part) => part / norm);
}

function valueOf(
  fn: TensorFunction,
  point: readonly Float64Array[],
  inputs: readonly Tensor[],
): Promise<ArrayLike<number>> {
  const [{ device } = noInputs()] = inputs;
  return device.scope(() => {
    const shapes: readonly Shape[] = inputs.map(({ shape }) => shape);
    return fn(
      ...point.map((value, index) =>
        tensor(Float32Array.from(value), { shape: shapes[index] ?? [], device }).requireGrad(),
      ),
    ).floats();
  });
}
