import { expect } from 'vitest';
import { grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { distance, numericGradient, numericHessianProduct, sizeOf, type NdArray, type Reference } from './reference.js';
import { uniformFloats } from './values.js';

/** A call of the engine, its definition in float64, and the inputs on which they are to agree. */
export interface OpCheck {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly call: (inputs: readonly Tensor[]) => Tensor | undefined;
  readonly definition: Reference;
  /** Where input values are drawn from; [-2, 2] by default. */
  readonly domain?: readonly [number, number];
}

/** Relative errors (of the L2 norm) that a check allows. */
export interface Tolerances {
  readonly forward?: number;
  readonly first?: number;
  readonly second?: number;
}

function draw(shape: readonly number[], seed: number, [low, high]: readonly [number, number]): NdArray {
  return { shape, data: Float64Array.from(uniformFloats(sizeOf(shape), seed, low, high)) };
}

function inputsOf({ shapes, domain = [-2, 2] }: OpCheck, seed: number): NdArray[] {
  return shapes.map((shape, index) => draw(shape, seed + index, domain));
}

/** An array as an f32 tensor. */
export function upload(device: Device, { shape, data }: NdArray): Tensor {
  return tensor(Float32Array.from(data), { shape, device });
}

/** Runs a check forward three times; the first run compiles, later ones reuse pipelines and memory. */
export async function expectForward(
  device: Device,
  check: OpCheck,
  { forward = 2e-6 }: Tolerances = {},
): Promise<void> {
  const arrays = inputsOf(check, 1);
  const expected = check.definition(arrays);
  for (let run = 0; run < 3; run++) {
    const y = check.call(arrays.map((array) => upload(device, array)));
    expect(y?.shape).toEqual(expected.shape);
    const { error, norm } = distance((await y?.data()) ?? [], expected.data);
    expect(error).toBeLessThanOrEqual(forward * norm + 1e-7);
  }
}

/**
 * The gradient of a check with respect to each input against central differences of its definition: by the fast rule, by
 * the differentiable one, and the derivative of the latter.
 */
export async function expectDerivatives(
  device: Device,
  check: OpCheck,
  { first = 2e-5, second = 1e-4 }: Tolerances = {},
): Promise<void> {
  const arrays = inputsOf(check, 1);
  for (const which of arrays.keys()) {
    const inputs = arrays.map((array) => upload(device, array));
    const input = inputs[which]?.requireGrad();
    const y = check.call(inputs);
    if (!input || !y || input.size === 0) continue;
    const weights = draw(y.shape, 7, [-1, 1]);
    const gradOutput = upload(device, weights);
    const expected = numericGradient(check.definition, arrays, weights.data, which);
    for (const createGraph of [false, true]) {
      const [gradient] = grad(y, [input], { gradOutput, createGraph });
      const { error, norm } = distance((await gradient?.data()) ?? [], expected);
      expect(error).toBeLessThanOrEqual(first * norm + 1e-6);
      if (!createGraph || !gradient?.tracksGrad) continue;
      const direction = draw(input.shape, 8, [-1, 1]);
      const hessian = numericHessianProduct(check.definition, arrays, weights.data, which, direction.data);
      const product = await secondOrZero(gradient, input, upload(device, direction));
      const deviation = distance(product ?? new Float64Array(hessian.length), hessian);
      expect(deviation.error).toBeLessThanOrEqual(second * deviation.norm + 1e-5);
    }
  }
}

/** The gradient of a gradient, or undefined where that gradient does not depend on the input. */
async function secondOrZero(first: Tensor, input: Tensor, direction: Tensor): Promise<ArrayLike<number> | undefined> {
  try {
    const [second] = grad(first, [input], { gradOutput: direction });
    return await second?.data();
  } catch (error) {
    if (error instanceof Error && error.message.includes('does not take part')) return undefined;
    throw error;
  }
}
