import { rememberModes } from '../nn/modes.js';
import { Module } from '../nn/module.js';
import type { Tensor } from '../engine/tensor.js';

/**
 * A classifier: images `[m, ...]` with values in [0, 1] to logits `[m, C]`; a module, or a function. Normalisation by a mean and
 * a standard deviation belongs inside it, so that attacks work in the units of the data.
 */
export type Model = Module | ((x: Tensor) => Tensor);

export { rememberModes };

/** The logits of a batch. */
export function logitsOf(model: Model, x: Tensor): Tensor {
  return model instanceof Module ? model.forward(x) : model(x);
}

/**
 * Runs the synchronous `fn` with the model in evaluation mode and gives every submodule its own mode back, whether or not `fn`
 * throws. A function is left as it is: where it wraps a module, its mode is the caller's matter.
 */
export function inEvalMode<T>(model: Model, fn: () => T): T {
  if (!(model instanceof Module)) return fn();
  const restoreModes = rememberModes(model);
  try {
    model.eval();
    return fn();
  } finally {
    restoreModes();
  }
}
