import type { Device } from '../../engine/device.js';
import { linear } from '../../engine/ops/matmul.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { layerDefault } from '../init.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link Linear}. */
export interface LinearOptions {
  readonly device: Device;
  /** Whether to add a bias; true unless told. */
  readonly bias?: boolean;
  /** Where the initial values come from; the device's own stream for initialisation unless told. */
  readonly generator?: Generator | undefined;
}

/** x weight^T + bias with `weight [outFeatures, inFeatures]`, as PyTorch's `nn.Linear`, from its default initialisation. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  /** @throws ArgumentError for sizes that are not positive integers */
  constructor(inFeatures: number, outFeatures: number, { device, bias = true, generator }: LinearOptions) {
    super();
    checkIntegers('Linear', { inFeatures, outFeatures });
    this.weight = this.registerParameter('weight', device.empty([outFeatures, inFeatures]));
    this.bias = bias ? this.registerParameter('bias', device.empty([outFeatures])) : null;
    layerDefault(this.weight, this.bias, generator);
  }

  /** `[..., inFeatures]` to `[..., outFeatures]`. */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
