import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { ones, zeros } from '../../engine/ops/create.js';
import { groupNorm, instanceNorm2d, layerNorm } from '../../engine/ops/norm-groups.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of the layers that normalise each sample by itself. */
export interface NormLayerOptions {
  readonly device: Device;
  /** Added to the variance; 1e-5 unless told. */
  readonly eps?: number;
  /** Whether there are a weight and a bias. */
  readonly affine?: boolean;
}

/** Weight and bias of a normalisation, ones and zeros at first, or neither. */
abstract class NormLayer extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly eps: number;

  protected constructor(
    layer: string,
    shape: readonly number[],
    { device, eps = 1e-5, affine = true }: NormLayerOptions,
  ) {
    super();
    if (!(eps > 0 && eps < Infinity)) throw new ArgumentError(`${layer}: eps is ${eps}; expected a number above 0`);
    this.eps = eps;
    this.weight = affine ? this.registerParameter('weight', ones(shape, { device })) : null;
    this.bias = affine ? this.registerParameter('bias', zeros(shape, { device })) : null;
  }
}

/** Normalisation of `[..., ...normalizedShape]` over its last axes, as PyTorch's `nn.LayerNorm`; affine unless told. */
export class LayerNorm extends NormLayer {
  readonly normalizedShape: readonly number[];

  /** @throws ArgumentError for sizes that are not positive integers, or eps not above 0 */
  constructor(normalizedShape: number | readonly number[], options: NormLayerOptions) {
    const shape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    for (const size of shape) checkIntegers('LayerNorm', { normalizedShape: size });
    super('LayerNorm', shape, options);
    this.normalizedShape = shape;
  }

  /** Any shape that ends in `normalizedShape` to the same shape. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this);
  }
}

/** Normalisation of `[n, channels, ...]` by groups of channels, as PyTorch's `nn.GroupNorm`; affine unless told. */
export class GroupNorm extends NormLayer {
  readonly numGroups: number;

  /** @throws ArgumentError for sizes that are not positive integers, groups that do not divide the channels, or eps not above 0 */
  constructor(numGroups: number, numChannels: number, options: NormLayerOptions) {
    checkIntegers('GroupNorm', { numGroups, numChannels });
    if (numChannels % numGroups !== 0) {
      throw new ArgumentError(`GroupNorm: ${numGroups} groups do not divide ${numChannels} channels`);
    }
    super('GroupNorm', [numChannels], options);
    this.numGroups = numGroups;
  }

  /** `[n, numChannels, ...]` to the same shape. */
  forward(x: Tensor): Tensor {
    return groupNorm(x, this.numGroups, this);
  }
}

/** Normalisation of each channel of `[n, features, h, w]`, as PyTorch's `nn.InstanceNorm2d`; without weight and bias unless told. */
export class InstanceNorm2d extends NormLayer {
  /** @throws ArgumentError for features that are no positive integer, or eps not above 0 */
  constructor(numFeatures: number, { affine = false, ...options }: NormLayerOptions) {
    checkIntegers('InstanceNorm2d', { numFeatures });
    super('InstanceNorm2d', [numFeatures], { affine, ...options });
  }

  /** `[n, numFeatures, h, w]` to the same shape. */
  forward(x: Tensor): Tensor {
    return instanceNorm2d(x, this);
  }
}
