import sgdSource from '../../shaders/sgd.wgsl';
import { float } from '../../engine/dtype.js';
import { ArgumentError } from '../../engine/errors.js';
import { defineKernel, strideWorkgroups } from '../../engine/kernel.js';
import type { Tensor } from '../../engine/tensor.js';
import { loadTensors, type StateDict } from '../state-dict.js';
import { ParameterArena } from './arena.js';

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
 *
 * The parameters move into one flat arena, and a step is one dispatch. An optimiser made later for the same parameters takes
 * them over.
 */
export class SGD {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly #arena: ParameterArena;
  readonly #momentum: Tensor | undefined;
  readonly #momentumOf: readonly Tensor[];
  #lr = 0;

  /** @throws ArgumentError for a negative option, Nesterov without momentum, or parameters that no arena can hold */
  constructor(parameters: readonly Tensor[], options: SGDOptions) {
    const { lr, momentum = 0, weightDecay = 0, nesterov = false } = options;
    this.lr = lr;
    checkFactor('momentum', momentum);
    checkFactor('weightDecay', weightDecay);
    if (nesterov && momentum === 0) throw new ArgumentError('SGD: nesterov needs a momentum above 0');
    this.momentum = momentum;
    this.weightDecay = weightDecay;
    this.nesterov = nesterov;
    this.#arena = new ParameterArena('SGD', parameters);
    // A buffer of zeros makes the first step's momentum * buf + g be g.
    this.#momentum = momentum > 0 ? this.#arena.zeros() : undefined;
    this.#momentumOf = this.#momentum ? this.#arena.views(this.#momentum) : [];
  }

  /** What it updates, in the order that `step` takes gradients in. */
  get parameters(): readonly Tensor[] {
    return this.#arena.parameters;
  }

  /** The learning rate; a schedule sets it. Throws an `ArgumentError` unless it is a finite number from 0 up. */
  get lr(): number {
    return this.#lr;
  }

  set lr(value: number) {
    checkFactor('lr', value);
    this.#lr = value;
  }

  /**
   * One step with one gradient per parameter, as `grad(loss, parameters)` gives them; without, with those that `backward()` left
   * in the parameters' `grad`.
   *
   * @throws ArgumentError where a gradient is missing, ShapeError where one has another shape than its parameter
   */
  step(gradients: readonly (Tensor | null)[] = this.parameters.map((parameter) => parameter.grad)): void {
    const arena = this.#arena;
    arena.gather('SGD', gradients);
    const momentum = this.#momentum;
    arena.device.dispatch({
      kernel: momentum ? momentumKernel : plainKernel,
      constants: { MOMENTUM: momentum !== undefined, NESTEROV: this.nesterov },
      buffers: [arena.gradients, arena.values, ...(momentum ? [momentum.range] : [])],
      uniforms: [arena.vectors, float(this.lr), float(this.weightDecay), float(this.momentum)],
      workgroups: strideWorkgroups(arena.vectors, arena.device.caps),
      label: 'sgd',
    });
    arena.markWritten();
  }

  /** Frees the gradients that `backward()` accumulated. */
  zeroGrad(): void {
    for (const parameter of this.parameters) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /**
   * The momentum of each parameter, under `<index>.momentum_buffer`; empty without momentum. With the learning rate, which the
   * caller keeps, it is all that a resumed run needs. `readTensors` takes the values off the GPU.
   */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#momentumOf.map((tensor, index) => [`${index}.momentum_buffer`, tensor]));
  }

  /** Overwrites the momentum. @throws StateDictError where names, shapes or dtypes differ; nothing is changed then */
  loadStateDict(state: StateDict): void {
    loadTensors('SGD.loadStateDict', this.stateDict(), state);
  }

  /** Frees the optimiser's buffers; the parameters live on. */
  dispose(): void {
    for (const view of this.#momentumOf) view.dispose();
    this.#momentum?.dispose();
    this.#arena.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkFactor(name: string, value: number): void {
  if (!(value >= 0 && value < Infinity)) {
    throw new ArgumentError(`SGD: ${name} is ${value}; expected a finite number from 0 up`);
  }
}
