/**
 * Derivatives of functions of tensors, after PyTorch's `torch.func`. Each calls the function on leaves of its own, so that the
 * tensors given are neither marked nor recorded; what the function captures is constant, unless it is differentiated elsewhere.
 */
import { enableGrad, grad } from './autograd.js';
import type { Device } from './device.js';
import { ArgumentError, GradError, ShapeError } from './errors.js';
import { oneHot } from './ops/indexing.js';
import { arange, zerosLike } from './ops/create.js';
import { mul } from './ops/elementwise.js';
import { expand, reshape, stack } from './ops/movement.js';
import { sum } from './ops/reduce.js';
import { formatShape, sameShape } from './shape.js';
import type { Tensor } from './tensor.js';

/** A function of tensors with one tensor as its result. */
export type TensorFunction = (...inputs: Tensor[]) => Tensor;

/** What {@link vjp} gives. */
export interface VjpResult {
  readonly output: Tensor;
  /** The gradient of sum(output * cotangent) with respect to each input; `cotangent` has the output's shape. */
  readonly vjp: (cotangent: Tensor) => Tensor[];
}

/**
 * The value of `fn` at `inputs`, and a function for the products of vectors with its Jacobian. That function may be called
 * several times, within the scope that `vjp` was called in.
 *
 * @throws GradError for inputs that are not f32
 */
export function vjp(fn: TensorFunction, inputs: readonly Tensor[]): VjpResult {
  const { device, leaves, output } = evaluate('vjp', fn, inputs);
  return {
    output: output.detach(),
    vjp: (cotangent) => device.scope(() => grad(output, leaves, { gradOutput: cotangent, allowUnused: true })),
  };
}

/** What {@link jvp} gives. */
export interface JvpResult {
  readonly output: Tensor;
  /** The derivative of the output along the tangents, of the output's shape. */
  readonly tangent: Tensor;
}

/**
 * The value of `fn` at `inputs`, and its derivative along `tangents` (one per input, of its shape): the product of the Jacobian
 * with a vector, as two reverse passes (the vector-Jacobian product is linear in its vector, and its derivative is the answer).
 *
 * @throws ShapeError for tangents that do not fit, GradError for inputs that are not f32
 */
export function jvp(fn: TensorFunction, inputs: readonly Tensor[], tangents: readonly Tensor[]): JvpResult {
  const wrong = inputs.findIndex((input, index) => !sameShape(input.shape, tangents[index]?.shape ?? [-1]));
  if (wrong >= 0 || tangents.length !== inputs.length) {
    throw new ShapeError(
      `jvp: ${tangents.length} tangents of shapes ${tangents.map(({ shape }) => formatShape(shape)).join(', ')}; expected one ` +
        `for each input, of shapes ${inputs.map(({ shape }) => formatShape(shape)).join(', ')}`,
    );
  }
  const { device, leaves, output } = evaluate('jvp', fn, inputs);
  return device.scope(() => {
    const cotangent = zerosLike(output).requireGrad();
    const along = enableGrad(device, () => {
      const gradients = grad(output, leaves, { gradOutput: cotangent, createGraph: true, allowUnused: true });
      const products = gradients.map((gradient, index) => sum(mul(gradient, tangents[index] ?? gradient)));
      return products.reduce((total, product) => total.add(product));
    });
    const [tangent = zerosLike(output)] = grad(along, [cotangent], { allowUnused: true });
    return { output: output.detach(), tangent };
  });
}

/** d fn(x) / d x, of shape `[...output.shape, ...x.shape]`: one backward pass for each element of the output. */
export function jacobian(fn: (x: Tensor) => Tensor, x: Tensor): Tensor {
  return x.device.scope(() => {
    const { device, leaves, output } = evaluate('jacobian', fn, [x]);
    if (output.size === 0) throw new ShapeError('jacobian: the output has no elements; expected at least one');
    const rows = Array.from({ length: output.size }, (_, at) => {
      const cotangent = reshape(oneHot(arange(at, at + 1, { device }), output.size), output.shape);
      return device.scope(() => grad(output, leaves, { gradOutput: cotangent, allowUnused: true })[0] ?? zerosLike(x));
    });
    return reshape(stack(rows), [...output.shape, ...x.shape]);
  });
}

/**
 * The Jacobians of a batch at once: for `fn` from `[m, ...]` to `[m, C]` whose row i depends on sample i alone (a network in
 * evaluation mode), d fn(x)[i, c] / d x[i], of shape `[m, C, ...x.shape.slice(1)]`. C backward passes, whatever m.
 *
 * @throws ShapeError where `fn` does not give a matrix with a row for each sample
 */
export function batchJacobian(fn: (x: Tensor) => Tensor, x: Tensor): Tensor {
  return x.device.scope(() => {
    const { device, leaves, output } = evaluate('batchJacobian', fn, [x]);
    const [samples = 0, columns = 0] = output.shape;
    if (output.rank !== 2 || samples !== x.shape[0] || output.size === 0) {
      throw new ShapeError(
        `batchJacobian: the function gave ${formatShape(output.shape)} for ${formatShape(x.shape)}; expected [m, C], m the ` +
          'number of samples, none of them 0',
      );
    }
    const rows = Array.from({ length: columns }, (_, column) => {
      const cotangent = expand(oneHot(arange(column, column + 1, { device }), columns), output.shape);
      return device.scope(() => grad(output, leaves, { gradOutput: cotangent, allowUnused: true })[0] ?? zerosLike(x));
    });
    return stack(rows, 1);
  });
}

interface Evaluation {
  readonly device: Device;
  /** Stand for the inputs in the graph of the output. */
  readonly leaves: readonly Tensor[];
  readonly output: Tensor;
}

function evaluate(caller: string, fn: TensorFunction, inputs: readonly Tensor[]): Evaluation {
  const [first] = inputs;
  if (!first) throw new ArgumentError(`${caller}: no inputs; expected at least one tensor`);
  const { device } = first;
  const leaves = inputs.map((input) => input.detach().requireGrad());
  const output = enableGrad(device, () => fn(...leaves));
  if (output.dtype !== 'f32') {
    throw new GradError(`${caller}: the function gave a tensor of dtype ${output.dtype}; only f32 has derivatives`);
  }
  return { device, leaves, output };
}
