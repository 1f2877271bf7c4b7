import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { tensor } from '../../engine/ops/create.js';
import { div, sub } from '../../engine/ops/elementwise.js';
import { formatShape } from '../../engine/shape.js';
import type { Device } from '../../engine/device.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';

/** A mean and a standard deviation for each channel, in units of the data. */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  /** Above 0. */
  readonly std: readonly number[];
}

/** Of the training images of CIFAR-10 in [0, 1], as the published checkpoints have it to four digits. */
export const CIFAR10_STATISTICS: ChannelStatistics = {
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.2471, 0.2435, 0.2616],
};

/** Of the training images of CIFAR-100 in [0, 1]. */
export const CIFAR100_STATISTICS: ChannelStatistics = {
  mean: [0.5071, 0.4865, 0.4409],
  std: [0.2673, 0.2564, 0.2762],
};

/** Options of {@link Normalize}. */
export interface NormalizeOptions extends ChannelStatistics {
  readonly device: Device;
}

/**
 * (x - mean) / std of every channel, with `mean` and `std` as buffers of shape `[1, channels, 1, 1]`. As the first layer of a network it
 * leaves attacks in the units of the data, so that eps = 8/255 means what it says; see {@link normalized}.
 */
export class Normalize extends Module {
  readonly mean: Tensor;
  readonly std: Tensor;

  /** @throws ArgumentError for lists of different lengths or none, numbers that are not finite, or a `std` not above 0 */
  constructor({ device, mean, std }: NormalizeOptions) {
    super();
    if (mean.length === 0 || mean.length !== std.length) {
      throw new ArgumentError(
        `Normalize: ${mean.length} means and ${std.length} deviations; expected one each a channel`,
      );
    }
    const wrong = [
      ...mean.filter((value) => !Number.isFinite(value)),
      ...std.filter((value) => !(value > 0 && value < Infinity)),
    ];
    if (wrong.length > 0) {
      throw new ArgumentError(
        `Normalize: got ${wrong.join(', ')}; expected finite means, and standard deviations above 0, in units of the data`,
      );
    }
    const shape = [1, mean.length, 1, 1];
    this.mean = this.registerBuffer('mean', tensor(Float32Array.from(mean), { device, shape }));
    this.std = this.registerBuffer('std', tensor(Float32Array.from(std), { device, shape }));
  }

  /**
   * `[n, channels, h, w]` to the same shape.
   *
   * @throws ShapeError for another number of channels
   */
  forward(x: Tensor): Tensor {
    if (x.rank !== 4 || x.shape[1] !== this.mean.size) {
      throw new ShapeError(`Normalize: input ${formatShape(x.shape)}; expected [n, ${this.mean.size}, h, w]`);
    }
    return div(sub(x, this.mean), this.std);
  }
}
