import { add, mul } from '../engine/ops/elementwise.js';
import { concat, slice } from '../engine/ops/movement.js';
import type { Tensor } from '../engine/tensor.js';
import { adversarialStep, type StepOptions, type StepValues } from './step.js';

/**
 * {@link adversarialStep} on a batch in `parts` of as equal sizes as can be, one after the other, which needs the memory of one part only:
 * the gradients, the loss and its terms are the means of the parts', by their sizes. For an objective that is a mean over samples, and
 * without batch norm, that is the step on the whole batch; batch norm and mutual information go by the parts.
 */
export function stepInParts(options: StepOptions, parts: number): StepValues {
  const size = options.x.shape[0] ?? 0;
  if (parts === 1 || size <= 1) return adversarialStep(options);
  const count = Math.min(parts, size);
  const { device } = options.x;
  let sum: StepValues | undefined;
  for (let part = 0; part < count; part++) {
    const [start, end] = [part, part + 1].map((edge) => Math.round((edge * size) / count)) as [number, number];
    const rows = (tensor: Tensor): Tensor => slice(tensor, [{ start, end }]);
    const before = sum;
    sum = device.scope(() => {
      const remembered = options.crafting?.remembered;
      const values = adversarialStep({
        ...options,
        x: rows(options.x),
        labels: rows(options.labels),
        ...(options.crafting && {
          crafting: { ...options.crafting, ...(remembered && { remembered: rows(remembered) }) },
        }),
      });
      return added(before, weighted(detached(values), (end - start) / size));
    });
    if (before) release(before);
  }
  return sum ?? adversarialStep(options);
}

/** What is left of a part once its graph is gone. */
function detached(values: StepValues): StepValues {
  return mapped(values, (tensor) => tensor.detach());
}

function weighted(values: StepValues, weight: number): StepValues {
  const times = (tensor: Tensor): Tensor => mul(tensor, weight);
  return {
    ...values,
    total: times(values.total),
    terms: Object.fromEntries(Object.entries(values.terms).map(([name, term]) => [name, times(term)])),
    gradients: values.gradients.map(times),
  };
}

function added(a: StepValues | undefined, b: StepValues): StepValues {
  if (!a) return b;
  const joined = (one: Tensor | undefined, other: Tensor | undefined): Tensor | undefined =>
    one && other && concat([one, other]);
  return {
    total: add(a.total, b.total),
    terms: Object.fromEntries(
      Object.entries(b.terms).map(([name, term]) => {
        const before = a.terms[name];
        return [name, before ? add(before, term) : term];
      }),
    ),
    gradients: b.gradients.map((gradient, index) => {
      const before = a.gradients[index];
      return before ? add(before, gradient) : gradient;
    }),
    adversarialImages: joined(a.adversarialImages, b.adversarialImages),
    naturalLogits: joined(a.naturalLogits, b.naturalLogits),
    adversarialLogits: joined(a.adversarialLogits, b.adversarialLogits),
    remembered: joined(a.remembered, b.remembered),
  };
}

function mapped(values: StepValues, change: (tensor: Tensor) => Tensor): StepValues {
  const { adversarialImages, naturalLogits, adversarialLogits, remembered } = values;
  return {
    total: change(values.total),
    terms: Object.fromEntries(Object.entries(values.terms).map(([name, term]) => [name, change(term)])),
    gradients: values.gradients.map(change),
    adversarialImages: adversarialImages && change(adversarialImages),
    naturalLogits: naturalLogits && change(naturalLogits),
    adversarialLogits: adversarialLogits && change(adversarialLogits),
    remembered: remembered && change(remembered),
  };
}

function release(values: StepValues): void {
  mapped(values, (tensor) => {
    tensor.dispose();
    return tensor;
  });
}
