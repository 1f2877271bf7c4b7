import rmspropSource from '../../shaders/rmsprop.wgsl';
import { float } from '../../engine/dtype.js';
import { ArgumentError } from '../../engine/errors.js';
import { defineKernel, strideWorkgroups, type Binding } from '../../engine/kernel.js';
import type { Tensor } from '../../engine/tensor.js';
import type { SafetensorsTensor } from '../safetensors.js';
import type { StateDict } from '../state-dict.js';
import { OptimizerState } from './optimizer-state.js';
import { Optimizer, checkFactor } from './optimizer.js';

/** By how many buffers the optimiser has: the squares, then momentum's and the means, where there are some. */
const kernels = [1, 2, 3].map((buffers) =>
  defineKernel({
    name: 'rmsprop',
    source: rmspropSource,
    bindings: ['read', 'write', ...Array.from({ length: buffers }, (): Binding => 'write')],
  }),
);

/** Hyper-parameters of {@link RMSprop}. */
export interface RMSpropOptions {
  /** The learning rate; 0.01 unless told. */
  readonly lr?: number;
  /** How slowly the averages forget, in [0, 1); 0.99 unless told. */
  readonly alpha?: number;
  /** Added to the divisor; 1e-8 unless told. */
  readonly eps?: number;
  /** The L2 penalty's factor; 0 unless told. */
  readonly weightDecay?: number;
  /** 0 unless told. */
  readonly momentum?: number;
  /** Whether to divide by the gradient's standard deviation in place of its root mean square; false unless told. */
  readonly centered?: boolean;
}

/**
 * RMSprop exactly as PyTorch's `optim.RMSprop` (Tieleman and Hinton, "Lecture 6.5: rmsprop", 2012): with g the gradient plus
 * weightDecay * p, v = alpha * v + (1 - alpha) * g^2 and p -= lr * g / (sqrt(v) + eps). But for one thing: where rounding takes the
 * variance of the centered form below 0, it is 0 here, and NaN there.
 */
export class RMSprop extends Optimizer {
  readonly alpha: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly momentum: number;
  readonly centered: boolean;
  readonly #state: OptimizerState;

  /** @throws ArgumentError for a negative option, an alpha outside [0, 1), or parameters that no arena can hold */
  constructor(parameters: readonly Tensor[], options: RMSpropOptions = {}) {
    const { lr = 1e-2, alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0, centered = false } = options;
    if (!(alpha >= 0 && alpha < 1)) {
      throw new ArgumentError(`RMSprop: alpha is ${alpha}; expected a number from 0 up, below 1`);
    }
    checkFactor('RMSprop', 'eps', eps);
    checkFactor('RMSprop', 'weightDecay', weightDecay);
    checkFactor('RMSprop', 'momentum', momentum);
    super('RMSprop', parameters, lr);
    this.alpha = alpha;
    this.eps = eps;
    this.weightDecay = weightDecay;
    this.momentum = momentum;
    this.centered = centered;
    const names = ['square_avg', ...(momentum > 0 ? ['momentum_buffer'] : []), ...(centered ? ['grad_avg'] : [])];
    this.#state = new OptimizerState(this.arena, names);
  }

  protected update(): void {
    const { arena, alpha, eps, weightDecay, momentum, centered } = this;
    const { ranges } = this.#state;
    const kernel = kernels[ranges.length - 1];
    if (!kernel) return;
    const lr = arena.device.perRun(() => {
      this.#state.steps++;
      return float(this.lr);
    });
    for (const part of arena.parts(arena.gradients, arena.values, ...ranges)) {
      arena.device.dispatch({
        kernel,
        constants: { MOMENTUM: momentum > 0, CENTERED: centered },
        buffers: part.ranges,
        uniforms: [part.vectors, lr, ...[alpha, 1 - alpha, eps, weightDecay, momentum].map(float)],
        workgroups: strideWorkgroups(part.vectors, arena.device.caps),
        label: 'RMSprop',
      });
    }
  }

  /**
   * Under `<index>.square_avg` the average of each gradient's square, under `<index>.momentum_buffer` and `<index>.grad_avg` what momentum
   * and centering keep, under `<index>.step` the steps taken.
   */
  stateDict(): Map<string, Tensor | SafetensorsTensor> {
    return this.#state.dict();
  }

  /** Overwrites averages and steps. @throws StateDictError where names, shapes or dtypes differ; nothing is changed then */
  loadStateDict(state: StateDict): void {
    this.#state.load('RMSprop.loadStateDict', state);
  }

  /** Frees the optimiser's buffers; the parameters live on. */
  override dispose(): void {
    this.#state.dispose();
    super.dispose();
  }
}
