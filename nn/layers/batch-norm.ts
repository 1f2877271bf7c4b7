import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { ones, zeros } from '../../engine/ops/create.js';
import { add } from '../../engine/ops/elementwise.js';
import { batchNorm2d } from '../../engine/ops/norm.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link BatchNorm2d}. */
export interface BatchNorm2dOptions {
  readonly device: Device;
  /** Added to the variance; 1e-5 unless told. */
  readonly eps?: number;
  /** Weight of the new batch in the running statistics; 0.1 unless told. */
  readonly momentum?: number;
  /** Whether there are a weight and a bias; true unless told. */
  readonly affine?: boolean;
}

/**
 * Batch normalisation of `[n, features, h, w]`, as PyTorch's `nn.BatchNorm2d`: Ioffe and Szegedy, "Batch normalization", ICML
 * 2015. In training the batch's own mean and (biased) variance normalise, and move `running_mean` and `running_var` (unbiased);
 * in evaluation the running statistics normalise, and stay.
 */
export class BatchNorm2d extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
  readonly eps: number;
  readonly momentum: number;
  readonly #numBatchesTracked: Tensor;
  /** Batches not yet in `num_batches_tracked`, which nothing computes with: it is brought up to date when it is looked at. */
  #untracked = 0;

  /** @throws ArgumentError for features that are no positive integer, eps not above 0 or momentum outside [0, 1] */
  constructor(numFeatures: number, { device, eps = 1e-5, momentum = 0.1, affine = true }: BatchNorm2dOptions) {
    super();
    checkIntegers('BatchNorm2d', { numFeatures });
    if (!(eps > 0 && eps < Infinity)) throw new ArgumentError(`BatchNorm2d: eps is ${eps}; expected a number above 0`);
    if (!(momentum >= 0 && momentum <= 1)) {
      throw new ArgumentError(`BatchNorm2d: momentum is ${momentum}; expected a number from 0 to 1`);
    }
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? this.registerParameter('weight', ones([numFeatures], { device })) : null;
    this.bias = affine ? this.registerParameter('bias', zeros([numFeatures], { device })) : null;
    this.runningMean = this.registerBuffer('running_mean', zeros([numFeatures], { device }));
    this.runningVar = this.registerBuffer('running_var', ones([numFeatures], { device }));
    this.#numBatchesTracked = this.registerBuffer('num_batches_tracked', zeros([], { device, dtype: 'i32' }));
  }

  /** `[n, features, h, w]` to the same shape. */
  forward(x: Tensor): Tensor {
    const { weight, bias, runningMean, runningVar, training, momentum, eps } = this;
    const y = batchNorm2d(x, { weight, bias, runningMean, runningVar, training, momentum, eps });
    if (training) x.device.perRun(() => this.#untracked++);
    return y;
  }

  protected override ownBuffers(): ReadonlyMap<string, Tensor> {
    if (this.#untracked > 0) {
      const count = add(this.#numBatchesTracked, this.#untracked);
      this.#numBatchesTracked.copyFrom(count);
      count.dispose();
      this.#untracked = 0;
    }
    return super.ownBuffers();
  }
}
