import sgdSource from '../../shaders/sgd.wgsl';
import { float } from '../../engine/dtype.js';
import { ArgumentError } from '../../engine/errors.js';
import { defineKernel, strideWorkgroups } from '../../engine/kernel.js';
import type { Tensor } from '../../engine/tensor.js';
import { loadTensors, type StateDict } from '../state-dict.js';
import { Optimizer, checkFactor } from './optimizer.js';

const plainKernel = defineKernel({ name: 'sgd', source: sgdSource, bindings: ['read', 'write'] });
const momentumKernel = defineKernel({ name: 'sgd', source: sgdSource, bindings: ['read', 'write', 'write'] });

/** Hyper-parameters of {@link SGD}. */
export interface SGDOptions {
  /** The learning rate. */
  readonly lr: number;
  /** 0 unless told. */
  readonly momentum?: number;
  /** The L2 penalty's factor, for every parameter given; 0 unless told. */
  readonly weightDecay?: number;
  /** Nesterov's momentum; needs a momentum above 0. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent exactly as PyTorch's `optim.SGD`: with g the gradient plus weightDecay * p,
 * buf = momentum * buf + g (the first buf is g), p -= lr * buf, or with Nesterov p -= lr * (g + momentum * buf).
 */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly #momentum: Tensor | undefined;
  readonly #momentumOf: readonly Tensor[];

  /** @throws ArgumentError for a negative option, Nesterov without momentum, or parameters that no arena can hold */
  constructor(parameters: readonly Tensor[], options: SGDOptions) {
    const { lr, momentum = 0, weightDecay = 0, nesterov = false } = options;
    checkFactor('SGD', 'momentum', momentum);
    checkFactor('SGD', 'weightDecay', weightDecay);
    if (nesterov && momentum === 0) throw new ArgumentError('SGD: nesterov needs a momentum above 0');
    super('SGD', parameters, lr);
    this.momentum = momentum;
    this.weightDecay = weightDecay;
    this.nesterov = nesterov;
    // A buffer of zeros makes the first step's momentum * buf + g be g.
    this.#momentum = momentum > 0 ? this.arena.zeros() : undefined;
    this.#momentumOf = this.#momentum ? this.arena.views(this.#momentum) : [];
  }

  protected update(): void {
    const arena = this.arena;
    const momentum = this.#momentum;
    const lr = arena.device.perRun(() => float(this.lr));
    for (const { ranges, vectors } of arena.parts(
      arena.gradients,
      arena.values,
      ...(momentum ? [momentum.range] : []),
    )) {
      arena.device.dispatch({
        kernel: momentum ? momentumKernel : plainKernel,
        constants: { MOMENTUM: momentum !== undefined, NESTEROV: this.nesterov },
        buffers: ranges,
        uniforms: [vectors, lr, float(this.weightDecay), float(this.momentum)],
        workgroups: strideWorkgroups(vectors, arena.device.caps),
        label: 'sgd',
      });
    }
  }

  /** The momentum of each parameter, under `<index>.momentum_buffer`; empty without momentum. */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#momentumOf.map((tensor, index) => [`${index}.momentum_buffer`, tensor]));
  }

  /** Overwrites the momentum. @throws StateDictError where names, shapes or dtypes differ; nothing is changed then */
  loadStateDict(state: StateDict): void {
    loadTensors('SGD.loadStateDict', this.stateDict(), state);
  }

  /** Frees the optimiser's buffers; the parameters live on. */
  override dispose(): void {
    for (const view of this.#momentumOf) view.dispose();
    this.#momentum?.dispose();
    super.dispose();
  }
}
