import { observeHost, overwriteHost } from '../../engine/capture.js';
import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { ones, zeros } from '../../engine/ops/create.js';
import { add, reciprocal, to } from '../../engine/ops/elementwise.js';
import { batchNorm2d } from '../../engine/ops/norm.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link BatchNorm2d}. */
export interface BatchNorm2dOptions {
  readonly device: Device;
  /** Added to the variance; 1e-5 unless told. */
  readonly eps?: number;
  /** Weight of the new batch in the running statistics, null for their plain mean over the batches; 0.1 unless told. */
  readonly momentum?: number | null;
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
  #momentum: number | null;
  #tracking = true;
  /** What a captured function knows the settings by. */
  readonly #settings = { momentum: {}, tracking: {} };
  readonly #numBatchesTracked: Tensor;
  /** Batches not yet in `num_batches_tracked`, which nothing computes with: it is brought up to date when it is looked at. */
  #untracked = 0;

  /** @throws ArgumentError for features that are no positive integer, eps not above 0 or momentum outside [0, 1] */
  constructor(numFeatures: number, { device, eps = 1e-5, momentum = 0.1, affine = true }: BatchNorm2dOptions) {
    super();
    checkIntegers('BatchNorm2d', { numFeatures });
    if (!(eps > 0 && eps < Infinity)) throw new ArgumentError(`BatchNorm2d: eps is ${eps}; expected a number above 0`);
    checkMomentum(momentum);
    this.eps = eps;
    this.#momentum = momentum;
    this.weight = affine ? this.registerParameter('weight', ones([numFeatures], { device })) : null;
    this.bias = affine ? this.registerParameter('bias', zeros([numFeatures], { device })) : null;
    this.runningMean = this.registerBuffer('running_mean', zeros([numFeatures], { device }));
    this.runningVar = this.registerBuffer('running_var', ones([numFeatures], { device }));
    this.#numBatchesTracked = this.registerBuffer('num_batches_tracked', zeros([], { device, dtype: 'i32' }));
  }

  /**
   * Weight of the new batch in the running statistics; with null, batch t since they were reset weighs 1 / t. Throws an `ArgumentError`
   * for a number outside [0, 1].
   */
  get momentum(): number | null {
    observeHost(this.#settings.momentum, () => this.#momentum);
    return this.#momentum;
  }

  set momentum(value: number | null) {
    checkMomentum(value);
    overwriteHost(this.#settings.momentum);
    this.#bringUpToDate();
    this.#momentum = value;
  }

  /** Whether passes in training mode move the running statistics, which they do not while {@link keepStatistics} runs. */
  get tracking(): boolean {
    observeHost(this.#settings.tracking, () => this.#tracking);
    return this.#tracking;
  }

  set tracking(value: boolean) {
    overwriteHost(this.#settings.tracking);
    this.#tracking = value;
  }

  /** `[n, features, h, w]` to the same shape. */
  forward(x: Tensor): Tensor {
    const { weight, bias, runningMean, runningVar, training, tracking, eps } = this;
    const momentum = training && tracking ? this.#weightOfBatch() : undefined;
    return batchNorm2d(x, { weight, bias, runningMean, runningVar, training, tracking, eps, momentum });
  }

  /** Counts a batch, and gives its weight in the running statistics. */
  #weightOfBatch(): number | Tensor {
    const { momentum } = this;
    const counted = this.#numBatchesTracked;
    if (momentum !== null) {
      counted.device.perRun(() => this.#untracked++);
      return momentum;
    }
    // The count is on the GPU, where a checkpoint may have put it.
    counted.copyFrom(add(counted, 1));
    return reciprocal(to(counted, 'f32'));
  }

  /** Running statistics and their count as in a new layer. */
  resetRunningStatistics(): void {
    const { runningMean, runningVar } = this;
    const { device } = runningMean;
    device.scope(() => {
      runningVar.copyFrom(ones(runningVar.shape, { device }));
    });
    for (const zero of [runningMean, this.#numBatchesTracked]) {
      device.clear(zero.range);
      zero.markWritten();
    }
    this.#untracked = 0;
  }

  protected override ownBuffers(): ReadonlyMap<string, Tensor> {
    this.#bringUpToDate();
    return super.ownBuffers();
  }

  #bringUpToDate(): void {
    if (this.#untracked === 0) return;
    const count = add(this.#numBatchesTracked, this.#untracked);
    this.#numBatchesTracked.copyFrom(count);
    count.dispose();
    this.#untracked = 0;
  }
}

function checkMomentum(momentum: number | null): void {
  if (momentum === null || (momentum >= 0 && momentum <= 1)) return;
  throw new ArgumentError(`BatchNorm2d: momentum is ${momentum}; expected a number from 0 to 1, or null`);
}
