import { grad, tensor, type Device, type Tensor } from '../../engine/index.js';
import { mutualInformation, mutualInformationComposed } from '../../engine/ops/mutual-information.js';
import type { Case, Work } from '../case.js';
import { lazily, uniform } from '../data.js';

/** The mutual information of two batches of predictions with its gradients: one fused op against one composed of plain ones. */
export function mutualInformationCases(samples: number, classCounts: readonly number[]): Case[] {
  return classCounts.map((classes): Case => {
    const shape = [samples, classes];
    const natural = lazily(() => uniform(shape, 1).map((value) => 4 * value));
    const moved = lazily(() => uniform(shape, 2).map((value, at) => (natural()[at] ?? 0) + value));
    const way =
      (information: (a: Tensor, b: Tensor) => Tensor) =>
      (device: Device): Work<Tensor> => {
        const inputs: [Tensor, Tensor] = [
          tensor(natural(), { device, shape }).requireGrad(),
          tensor(moved(), { device, shape }).requireGrad(),
        ];
        return {
          run: () => grad(information(...inputs), inputs),
          dispose: () => inputs.forEach((each) => each.dispose()),
        };
      };
    return {
      name: `mutual information of ${samples} x ${classes}, with gradients`,
      group: 'mutual information',
      tolerance: 1e-3,
      bulwark: way(mutualInformation),
      ways: { 'bulwark, composed': way(mutualInformationComposed) },
    };
  });
}
