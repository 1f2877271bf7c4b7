import adamSource from '../../shaders/adam.wgsl';
import { float } from '../../engine/dtype.js';
import { ArgumentError } from '../../engine/errors.js';
import { defineKernel, strideWorkgroups } from '../../engine/kernel.js';
import type { Tensor } from '../../engine/tensor.js';
import type { SafetensorsTensor } from '../safetensors.js';
import type { StateDict } from '../state-dict.js';
import { OptimizerState } from './optimizer-state.js';
import { Optimizer, checkFactor } from './optimizer.js';

const kernel = defineKernel({ name: 'adam', source: adamSource, bindings: ['read', 'write', 'write', 'write'] });

/** Hyper-parameters of {@link Adam} and {@link AdamW}. */
export interface AdamOptions {
  /** The learning rate; 0.001 unless told. */
  readonly lr?: number;
  /** How fast the averages of the gradient and of its square forget, each in [0, 1); [0.9, 0.999] unless told. */
  readonly betas?: readonly [number, number];
  /** Added to the divisor; 1e-8 unless told. */
  readonly eps?: number;
  /** 0 unless told for Adam, 0.01 for AdamW. */
  readonly weightDecay?: number;
}

/** Adam and AdamW, which differ in where weight decay goes. */
abstract class AdamFamily extends Optimizer {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly #name: string;
  /** Whether weight decay shrinks the parameters themselves. */
  readonly #decoupled: boolean;
  readonly #state: OptimizerState;

  protected constructor(name: string, decoupled: boolean, parameters: readonly Tensor[], options: AdamOptions) {
    const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
    super(name, parameters, lr);
    if (!betas.every((beta) => beta >= 0 && beta < 1)) {
      throw new ArgumentError(`${name}: betas are ${betas.join(', ')}; expected two numbers from 0 up, below 1`);
    }
    this.#name = name;
    this.#decoupled = decoupled;
    this.betas = betas;
    this.eps = checkFactor(name, 'eps', eps);
    this.weightDecay = checkFactor(name, 'weightDecay', weightDecay);
    this.#state = new OptimizerState(this.arena, ['exp_avg', 'exp_avg_sq']);
  }

  protected update(): void {
    const { arena, betas, eps, weightDecay } = this;
    const decoupled = this.#decoupled;
    const [first, second] = betas;
    const step = arena.device.perRun(() => {
      const steps = ++this.#state.steps;
      const rate = this.lr / (1 - first ** steps);
      const scale = Math.sqrt(1 - second ** steps);
      return { rate, scale, decay: decoupled ? 1 - this.lr * weightDecay : weightDecay };
    });
    const asked = (['rate', 'scale', 'decay'] as const).map((name) => () => float(step()[name]));
    const [rate = 0, scale = 0, decay = 0] = asked;
    for (const { ranges, vectors } of arena.parts(arena.gradients, arena.values, ...this.#state.ranges)) {
      arena.device.dispatch({
        kernel,
        constants: { DECOUPLED: decoupled },
        buffers: ranges,
        uniforms: [vectors, rate, scale, ...[eps, first, 1 - first, second, 1 - second].map(float), decay],
        workgroups: strideWorkgroups(vectors, arena.device.caps),
        label: this.#name,
      });
    }
  }

  /** Under `<index>.exp_avg` and `<index>.exp_avg_sq` the averages of each parameter, under `<index>.step` the steps taken. */
  stateDict(): Map<string, Tensor | SafetensorsTensor> {
    return this.#state.dict();
  }

  /** Overwrites averages and steps. @throws StateDictError where names, shapes or dtypes differ; nothing is changed then */
  loadStateDict(state: StateDict): void {
    this.#state.load(`${this.#name}.loadStateDict`, state);
  }

  /** Frees the optimiser's buffers; the parameters live on. */
  override dispose(): void {
    this.#state.dispose();
    super.dispose();
  }
}

/**
 * Adam exactly as PyTorch's `optim.Adam` (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015); weight decay is
 * a term of the gradient.
 */
export class Adam extends AdamFamily {
  /** @throws ArgumentError for a negative option, a beta outside [0, 1), or parameters that no arena can hold */
  constructor(parameters: readonly Tensor[], options: AdamOptions = {}) {
    super('Adam', false, parameters, options);
  }
}

/**
 * AdamW exactly as PyTorch's `optim.AdamW` (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019): weight
 * decay, 0.01 unless told, shrinks the parameters and stays out of the averages.
 */
export class AdamW extends AdamFamily {
  /** @throws ArgumentError for a negative option, a beta outside [0, 1), or parameters that no arena can hold */
  constructor(parameters: readonly Tensor[], options: AdamOptions = {}) {
    super('AdamW', true, parameters, { weightDecay: 0.01, ...options });
  }
}
