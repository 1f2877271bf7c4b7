import { adaptiveAvgPool2d, adaptiveMaxPool2d, type OutputSize } from '../../engine/ops/adaptive-pool.js';
import { avgPool2d } from '../../engine/ops/avg-pool.js';
import { maxPool2d } from '../../engine/ops/max-pool.js';
import { pairOf, type Pair } from '../../engine/ops/pair.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link MaxPool2d}. */
export interface MaxPool2dOptions {
  /** The kernel size unless told. */
  readonly stride?: Pair;
  /** Cells on each side, at most half the kernel size; 0 unless told. */
  readonly padding?: Pair;
  /** Whether sizes round up; false unless told. */
  readonly ceilMode?: boolean;
}

/** Options of {@link AvgPool2d}. */
export interface AvgPool2dOptions extends MaxPool2dOptions {
  /** Whether the zeros of the padding count in a mean's divisor; true unless told. */
  readonly countIncludePad?: boolean;
}

/** The windows of a pooling layer. */
abstract class WindowPool extends Module {
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly ceilMode: boolean;

  protected constructor(layer: string, kernelSize: Pair, options: MaxPool2dOptions) {
    super();
    const { stride = kernelSize, padding = 0, ceilMode = false } = options;
    checkIntegers(layer, { kernelSize, stride });
    checkIntegers(layer, { padding }, 0);
    this.kernelSize = pairOf(kernelSize);
    this.stride = pairOf(stride);
    this.padding = pairOf(padding);
    this.ceilMode = ceilMode;
  }
}

/** The largest value of each window of `[n, c, h, w]`, as PyTorch's `nn.MaxPool2d`; padding never wins. */
export class MaxPool2d extends WindowPool {
  /** @throws ArgumentError for sizes that are not positive integers */
  constructor(kernelSize: Pair, options: MaxPool2dOptions = {}) {
    super('MaxPool2d', kernelSize, options);
  }

  /** `[n, c, h, w]` to `[n, c, h', w']`, h' = floor((h + 2 padding - kh) / stride) + 1, or rounded up. */
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this);
  }
}

/** The mean of each window of `[n, c, h, w]`, as PyTorch's `nn.AvgPool2d`. */
export class AvgPool2d extends WindowPool {
  readonly countIncludePad: boolean;

  /** @throws ArgumentError for sizes that are not positive integers */
  constructor(kernelSize: Pair, { countIncludePad = true, ...options }: AvgPool2dOptions = {}) {
    super('AvgPool2d', kernelSize, options);
    this.countIncludePad = countIncludePad;
  }

  /** `[n, c, h, w]` to `[n, c, h', w']`, h' = floor((h + 2 padding - kh) / stride) + 1, or rounded up. */
  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this);
  }
}

/** Means of `[n, c, h, w]` over windows that give `[n, c, ...outputSize]`, as PyTorch's `nn.AdaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d extends Module {
  constructor(readonly outputSize: OutputSize) {
    super();
  }

  /** `[n, c, h, w]` to `[n, c, ...outputSize]`. */
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize);
  }
}

/** Maxima of `[n, c, h, w]` over windows that give `[n, c, ...outputSize]`, as PyTorch's `nn.AdaptiveMaxPool2d`. */
export class AdaptiveMaxPool2d extends Module {
  constructor(readonly outputSize: OutputSize) {
    super();
  }

  /** `[n, c, h, w]` to `[n, c, ...outputSize]`. */
  forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.outputSize);
  }
}
