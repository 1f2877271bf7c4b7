import { maxPool2d } from '../../engine/ops/max-pool.js';
import { pairOf, type Pair } from '../../engine/ops/pair.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link MaxPool2d}. */
export interface MaxPool2dOptions {
  /** The kernel size unless told. */
  readonly stride?: Pair;
  /** Cells on each side that never win; 0 unless told. */
  readonly padding?: Pair;
}

/** The largest value of each window of `[n, c, h, w]`, as PyTorch's `nn.MaxPool2d`. */
export class MaxPool2d extends Module {
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];

  /** @throws ArgumentError for sizes that are not positive integers */
  constructor(kernelSize: Pair, { stride = kernelSize, padding = 0 }: MaxPool2dOptions = {}) {
    super();
    checkIntegers('MaxPool2d', { kernelSize, stride });
    checkIntegers('MaxPool2d', { padding }, 0);
    this.kernelSize = pairOf(kernelSize);
    this.stride = pairOf(stride);
    this.padding = pairOf(padding);
  }

  /** `[n, c, h, w]` to `[n, c, h', w']`, h' = floor((h + 2 padding - kh) / stride) + 1. */
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, { stride: this.stride, padding: this.padding });
  }
}
