import { grad } from './autograd.js';
import { GradError } from './errors.js';
import { tensor } from './ops/create.js';
import { Generator } from './random.js';
import type { TensorFunction } from './functional.js';
import type { GradcheckOptions, GradcheckResult } from './gradcheck.js';
import type { Shape } from './shape.js';
import type { Tensor } from './tensor.js';

/** The work of `gradcheck`, which loads it when it is called. */
export async function compareGradients(
  fn: TensorFunction,
  inputs: readonly Tensor[],
  options: GradcheckOptions,
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
