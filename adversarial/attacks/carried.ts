import { noGrad } from '../../engine/autograd.js';
import type { Device } from '../../engine/device.js';
import { keep, type Tensor } from '../../engine/tensor.js';
import { inEvalMode, type Model } from '../model.js';

/** Tensors by name that a loop carries from one captured step to the next, outside of any scope. */
export type Carried = Readonly<Record<string, Tensor>>;

/** Runs work of an attack, without a graph and with the model in evaluation mode; what it makes outlives every scope. */
export function carry<T extends Carried>(device: Device, model: Model, work: () => T): T {
  return device.scope(() => {
    const made = inEvalMode(model, () => noGrad(device, work));
    for (const tensor of Object.values(made)) keep(tensor);
    return made;
  });
}

/** Disposes of what was carried, but for what still is. */
export function release(before: Carried, after: Carried = {}): void {
  const still = new Set(Object.values(after));
  for (const tensor of Object.values(before)) if (!still.has(tensor)) tensor.dispose();
}
