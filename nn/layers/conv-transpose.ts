import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { convTranspose2d } from '../../engine/ops/conv-transpose.js';
import { pairOf, type Pair } from '../../engine/ops/pair.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { layerDefault } from '../init.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link ConvTranspose2d}. */
export interface ConvTranspose2dOptions {
  readonly device: Device;
  /** 1 unless told. */
  readonly stride?: Pair;
  /** Rows and columns taken off each side of the output; 0 unless told. */
  readonly padding?: Pair;
  /** Rows and columns added at the end of the output, less than stride or dilation; 0 unless told. */
  readonly outputPadding?: Pair;
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
 * Transposed convolution of `[n, inChannels, h, w]` with `weight [inChannels, outChannels / groups, kh, kw]` plus `bias`, as PyTorch's
 * `nn.ConvTranspose2d`, from PyTorch's default initialisation.
 */
export class ConvTranspose2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly outputPadding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;

  /** @throws ArgumentError for sizes that are not positive integers, or groups that do not divide the channels */
  constructor(inChannels: number, outChannels: number, kernelSize: Pair, options: ConvTranspose2dOptions) {
    super();
    const { device, stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1 } = options;
    checkIntegers('ConvTranspose2d', { inChannels, outChannels, kernelSize, stride, dilation, groups });
    checkIntegers('ConvTranspose2d', { padding, outputPadding }, 0);
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(
        `ConvTranspose2d: ${groups} groups do not divide ${inChannels} input and ${outChannels} output channels`,
      );
    }
    this.stride = pairOf(stride);
    this.padding = pairOf(padding);
    this.outputPadding = pairOf(outputPadding);
    this.dilation = pairOf(dilation);
    this.groups = groups;
    const shape = [inChannels, outChannels / groups, ...pairOf(kernelSize)];
    this.weight = this.registerParameter('weight', device.empty(shape));
    this.bias = (options.bias ?? true) ? this.registerParameter('bias', device.empty([outChannels])) : null;
    layerDefault(this.weight, this.bias, options.generator);
  }

  /** `[n, inChannels, h, w]` to `[n, outChannels, h', w']`, h' = (h - 1) stride - 2 padding + dilation (kh - 1) + outputPadding + 1. */
  forward(x: Tensor): Tensor {
    const { weight, bias, stride, padding, outputPadding, dilation, groups } = this;
    return convTranspose2d(x, weight, bias, { stride, padding, outputPadding, dilation, groups });
  }
}
