import { ArgumentError } from '../../engine/errors.js';
import { unknownName } from '../../engine/named-options.js';
import { silu } from '../../engine/ops/activation.js';
import { relu } from '../../engine/ops/elementwise.js';
import type { Tensor } from '../../engine/tensor.js';
import { ReLU, SiLU } from '../layers/activation.js';
import type { Module } from '../module.js';

/** As a function and as a layer. */
interface Activation {
  readonly apply: (x: Tensor) => Tensor;
  readonly layer: () => Module;
}

const FORMS = {
  relu: { apply: relu, layer: () => new ReLU() },
  silu: { apply: silu, layer: () => new SiLU() },
} as const satisfies Readonly<Record<string, Activation>>;

/**
 * What a network's layers have between them: 'relu' as published, or 'silu', x sigmoid(x), which is smooth: Xie et al., "Smooth
 * adversarial training" (2020); Gowal et al., "Uncovering the limits of adversarial training" (2020).
 */
export type ActivationName = keyof typeof FORMS;

/** Every {@link ActivationName}. */
export const ACTIVATIONS = ['relu', 'silu'] as const satisfies readonly ActivationName[];

/** The activation of a name; `model` is named in the `ArgumentError` for an unknown one. */
export function activationNamed(model: string, name: ActivationName): Activation {
  // Callers without types can pass anything.
  if (!ACTIVATIONS.includes(name)) throw new ArgumentError(`${model}: ${unknownName('activation', name, ACTIVATIONS)}`);
  return FORMS[name];
}
