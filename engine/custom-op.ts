import { isRecording, noGrad, record } from './autograd.js';
import { ArgumentError, ShapeError } from './errors.js';
import type { BackwardCall } from './op.js';
import { formatShape, sameShape } from './shape.js';
import type { Tensor } from './tensor.js';

/** A function with a derivative of one's own; see {@link customOp}. */
export interface CustomOp {
  /** For error messages. */
  readonly name: string;
  /** Computes the outputs, in any tensor operations; none of them is recorded. */
  readonly forward: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  /**
   * One gradient per input, of its shape; undefined where `needs` says that it is not wanted, or where it is zero. Written in
   * differentiable operations it gives higher derivatives too.
   */
  readonly backward: (call: Omit<BackwardCall<undefined>, 'attrs'>) => readonly (Tensor | undefined)[];
}

/**
 * A differentiable function made of a forward and a backward pass of one's own, as PyTorch's `autograd.Function`: a
 * straight-through estimator, a clipped gradient, a formula that is better than what the chain rule makes. (An operation with a
 * kernel of its own is `defineOp`.) The result returns an array of tensors.
 *
 * @throws ArgumentError for no inputs, ShapeError where the backward pass gives a gradient of a wrong shape
 */
export function customOp({ name, forward, backward }: CustomOp): (...inputs: Tensor[]) => Tensor[] {
  return (...inputs) => {
    const [first] = inputs;
    if (!first) throw new ArgumentError(`${name}: no inputs; expected at least one tensor`);
    const { device } = first;
    for (const input of inputs) input.assertAlive(name);
    const made = device.scope(() => {
      const results = noGrad(device, () => forward(...inputs));
      // A result that is an input, or is recorded, gets a place of its own on the tape.
      return ('length' in results ? results : [results]).map((result) => result.detach());
    });
    if (isRecording(device, inputs)) record({ name, backward: checked }, inputs, made, undefined);
    return made;
  };

  function checked(call: BackwardCall<undefined>): readonly (Tensor | undefined)[] {
    const { inputs, outputs, grads, needs } = call;
    const gradients = backward({ inputs, outputs, grads, needs });
    inputs.forEach((input, index) => {
      const gradient = gradients[index];
      if (!gradient || !needs[index] || (sameShape(gradient.shape, input.shape) && gradient.dtype === 'f32')) return;
      throw new ShapeError(
        `${name}: backward gave ${gradient.dtype} ${formatShape(gradient.shape)} for input ${index}; expected f32 ` +
          formatShape(input.shape),
      );
    });
    return gradients;
  }
}
