import { PreActNet } from './pre-activation.js';
import type { ResidualOptions } from './residual.js';

/** Options of {@link preactResnet18}. */
export type PreActResNetOptions = ResidualOptions;

/**
 * The pre-activation residual network that Rice, Wong and Kolter, "Overfitting in adversarially robust deep learning" (ICML 2020), and Wu,
 * Xia and Wang, "Adversarial weight perturbation helps robust generalization" (NeurIPS 2020), train, with their keys and PyTorch's
 * initialisation. It is another network than {@link ResNet}: their numbers do not compare.
 */
export class PreActResNet extends PreActNet {
  /**
   * @param blocks how many there are in each stage; the stages have 64, 128, 256, ... channels at width 1
   * @throws ArgumentError for a width that is not a finite number above 0, classes or channels that are no positive integers, or an
   * unknown activation
   */
  constructor(blocks: readonly number[], options: PreActResNetOptions) {
    const stages = blocks.map((count, index) => ({ planes: 64 * 2 ** index, blocks: count }));
    const keys = { stage: 'layer', shortcut: 'shortcut.0', norm: 'bn', linear: 'linear' } as const;
    super({ model: 'preactResnet', stem: 64, stages, keys }, options);
  }
}

/** PreActResNet-18 for CIFAR: 11,172,170 parameters with 10 classes, 1,024 of them in the normalisation before the last layer. */
export function preactResnet18(options: PreActResNetOptions): PreActResNet {
  return new PreActResNet([2, 2, 2, 2], options);
}
