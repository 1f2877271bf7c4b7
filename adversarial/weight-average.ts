import { ArgumentError } from '../engine/errors.js';
import type { Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';
import type { Optimizer } from '../nn/optim/optimizer.js';
import type { ParameterAverage } from '../nn/optim/parameter-average.js';
import type { SafetensorsTensor } from '../nn/safetensors.js';
import { loadTensors, readTensors, type StateDict } from '../nn/state-dict.js';
import { updateBatchNorm } from '../nn/update-batch-norm.js';

/**
 * Which average of the parameters a run ends with. 'ema': exponential, after every step, from 2.5 % of the run on, with the share
 * min(decay, (1 + t) / (10 + t)) (Gowal et al., "Uncovering the limits of adversarial training", 2020). 'swa': the plain mean over the ends
 * of the epochs from a part of the run on (Izmailov et al. 2018), with the running statistics of batch norm estimated anew.
 */
export type WeightAverageOptions =
  { readonly kind: 'ema'; readonly decay: number } | { readonly kind: 'swa'; readonly start: number };

/** Part of a run before an exponential average begins. */
const EMA_WARMUP = 0.025;

/** An average of a run's parameters: when it is updated, and what it takes to have the model hold it. */
export class WeightAverage {
  readonly #average: ParameterAverage;
  readonly #options: WeightAverageOptions;
  readonly #steps: number;

  /** @throws ArgumentError for a decay outside [0, 1), or a start outside it */
  constructor(optimizer: Optimizer, options: WeightAverageOptions, steps: number) {
    if (options.kind === 'swa' && !(options.start >= 0 && options.start < 1)) {
      throw new ArgumentError(`average swa: start is ${options.start}; expected a part of the run, from 0 up, below 1`);
    }
    this.#average =
      options.kind === 'ema'
        ? optimizer.average({
            decay: options.decay,
            warmup: true,
            start: Math.max(1, Math.ceil(EMA_WARMUP * steps)),
          })
        : optimizer.averageEqually();
    this.#options = options;
    this.#steps = steps;
  }

  /** To be called in every step, after the optimiser's. */
  afterStep(): void {
    if (this.#options.kind === 'ema') this.#average.update();
  }

  /** To be called at the end of every epoch, and of the run. */
  afterEpoch(step: number): void {
    if (this.#options.kind !== 'swa' || step <= this.#options.start * this.#steps) return;
    this.#average.update();
  }

  /** Whether there is an average yet. */
  get isReady(): boolean {
    return this.#average.isReady;
  }

  /**
   * Does some work while the model holds the averages, and gives it its parameters and running statistics back, to the bit. `images` are
   * batches to estimate statistics from, where that has to be.
   */
  async holding<T>(model: Module, images: () => Iterable<Tensor>, work: () => Promise<T>): Promise<T> {
    const before = await readTensors(model.namedBuffers());
    await this.adopt(model, images);
    try {
      return await work();
    } finally {
      this.#average.swap();
      loadTensors('average', model.namedBuffers(), before);
    }
  }

  /** Has the model hold the averages from now on. */
  async adopt(model: Module, images: () => Iterable<Tensor>): Promise<void> {
    this.#average.swap();
    if (this.#options.kind === 'swa') await updateBatchNorm(model, images());
  }

  /** What a resumed run needs: see `ParameterAverage.stateDict`. */
  stateDict(): ReadonlyMap<string, Tensor | SafetensorsTensor> {
    return this.#average.stateDict();
  }

  /** Takes back what `stateDict` gave. @throws StateDictError where it does not fit */
  loadStateDict(state: StateDict): void {
    this.#average.loadStateDict(state);
  }

  /** Frees the averages. */
  dispose(): void {
    this.#average.dispose();
  }
}
