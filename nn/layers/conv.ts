import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { conv2d } from '../../engine/ops/conv.js';
import type { Generator } from '../../engine/random.js';
import { pairOf, type Pair } from '../../engine/ops/pair.js';
import type { Tensor } from '../../engine/tensor.js';
import { layerDefault } from '../init.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link Conv2d}. */
export interface Conv2dOptions {
  readonly device: Device;
  /** 1 unless told. */
  readonly stride?: Pair;
  /** Zeros on each side; 0 unless told. `same` keeps the size (stride 1), `valid` is 0. */
  readonly padding?: Pair | 'same' | 'valid';
  /** 1 unless told. */
  readonly dilation?: Pair;
  /** 1 unless told; divides the channels on both sides. */
  readonly groups?: number;
  /** Whether to add a bias; true unless told. */
  readonly bias?: boolean;
  /** Where the initial values come from; the device's own stream for initialisation unless told. */
  readonly generator?: Generator | undefined;
}

/**
 * Cross-correlation of `[n, inChannels, h, w]` images with `weight [outChannels, inChannels / groups, kh, kw]` plus `bias`,
 * as PyTorch's `nn.Conv2d`, from PyTorch's default initialisation.
 */
export class Conv2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number] | 'same' | 'valid';
  readonly dilation: readonly [number, number];
  readonly groups: number;

  /** @throws ArgumentError for sizes that are not positive integers, or groups that do not divide the channels */
  constructor(inChannels: number, outChannels: number, kernelSize: Pair, options: Conv2dOptions) {
    super();
    const { device, stride = 1, padding = 0, dilation = 1, groups = 1, bias = true, generator } = options;
    checkIntegers('Conv2d', { inChannels, outChannels, kernelSize, stride, dilation, groups });
    if (typeof padding !== 'string') checkIntegers('Conv2d', { padding }, 0);
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(
        `Conv2d: ${groups} groups do not divide ${inChannels} input and ${outChannels} output channels`,
      );
    }
    const shape = [outChannels, inChannels / groups, ...pairOf(kernelSize)];
    this.stride = pairOf(stride);
    this.padding = typeof padding === 'string' ? padding : pairOf(padding);
    this.dilation = pairOf(dilation);
    this.groups = groups;
    this.weight = this.registerParameter('weight', device.empty(shape));
    this.bias = bias ? this.registerParameter('bias', device.empty([outChannels])) : null;
    layerDefault(this.weight, this.bias, generator);
  }

  /** `[n, inChannels, h, w]` to `[n, outChannels, h', w']`, h' = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. */
  forward(x: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    return conv2d(x, weight, bias, { stride, padding, dilation, groups });
  }
}
