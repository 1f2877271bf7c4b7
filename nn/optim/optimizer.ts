import { ArgumentError } from '../../engine/errors.js';
import type { Tensor } from '../../engine/tensor.js';
import type { SafetensorsTensor } from '../safetensors.js';
import type { StateDict } from '../state-dict.js';
import { ParameterArena } from './arena.js';
import { checkLimit } from './clip.js';
import { EMA, type EMAOptions } from './ema.js';
import { SWA, type SWAOptions } from './swa.js';

/** Options of `Optimizer.step`. */
export interface OptimizerStepOptions {
  /** Clips the gradients to this L2 norm of all of them together, above 0, as `clipGradNorm`; Infinity only measures. */
  readonly maxNorm?: number | undefined;
}

/** What `Optimizer.step` gives. */
export interface OptimizerStepResult {
  /** The gradients' norm before clipping, f32 `[]`, where there was a `maxNorm`. */
  readonly gradientNorm?: Tensor;
}

/**
 * What every optimiser is: parameters in one flat arena, a learning rate, and a step of one dispatch over all of them. An optimiser
 * made later for the same parameters takes them over.
 */
export abstract class Optimizer {
  protected readonly arena: ParameterArena;
  readonly #name: string;
  #lr: number;

  /** @throws ArgumentError for a rate that is no finite number from 0 up, or parameters that no arena can hold */
  protected constructor(name: string, parameters: readonly Tensor[], lr: number) {
    this.#name = name;
    this.#lr = checkFactor(name, 'lr', lr);
    this.arena = new ParameterArena(name, parameters);
  }

  /** What it updates, in the order that `step` takes gradients in. */
  get parameters(): readonly Tensor[] {
    return this.arena.parameters;
  }

  /** The learning rate; a schedule sets it. Throws an `ArgumentError` unless it is a finite number from 0 up. */
  get lr(): number {
    return this.#lr;
  }

  set lr(value: number) {
    this.#lr = checkFactor(this.#name, 'lr', value);
  }

  /**
   * One step with one gradient per parameter, as `grad(loss, parameters)` gives them; without, with those that `backward()` left
   * in the parameters' `grad`.
   *
   * @throws ArgumentError where a gradient is missing, or for a `maxNorm` that is not above 0; ShapeError where a gradient has another
   * shape than its parameter
   */
  step(
    gradients: readonly (Tensor | null)[] = this.parameters.map((parameter) => parameter.grad),
    { maxNorm }: OptimizerStepOptions = {},
  ): OptimizerStepResult {
    if (maxNorm !== undefined) checkLimit(this.#name, 'maxNorm', maxNorm);
    this.arena.gather(this.#name, gradients);
    const result = maxNorm === undefined ? {} : { gradientNorm: this.arena.clip(maxNorm) };
    this.update();
    this.arena.markWritten();
    return result;
  }

  /** Records the update by the arena's gradients. */
  protected abstract update(): void;

  /** Frees the gradients that `backward()` accumulated. */
  zeroGrad(): void {
    for (const parameter of this.parameters) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /**
   * An exponential moving average of the parameters, of its own memory; to be updated after steps.
   *
   * @throws ArgumentError for a decay outside [0, 1)
   */
  average(options: EMAOptions = {}): EMA {
    return new EMA(this.arena, options);
  }

  /**
   * The plain mean of the parameters over its updates, of its own memory.
   *
   * @throws ArgumentError for a start that is not an integer from 1 up
   */
  averageEqually(options: SWAOptions = {}): SWA {
    return new SWA(this.arena, options);
  }

  /**
   * What a resumed run needs besides the learning rate, which the caller keeps: under `<index>.<name>`, with PyTorch's names.
   * `readTensors` takes the values off the GPU.
   */
  abstract stateDict(): ReadonlyMap<string, Tensor | SafetensorsTensor>;

  /** Takes back what `stateDict` gave. @throws StateDictError where it does not fit; nothing is changed then */
  abstract loadStateDict(state: StateDict): void;

  /** Frees the optimiser's buffers; the parameters live on. */
  dispose(): void {
    this.arena.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** `value`, or an `ArgumentError` unless it is a finite number from 0 up. */
export function checkFactor(owner: string, name: string, value: number): number {
  if (!(value >= 0 && value < Infinity)) {
    throw new ArgumentError(`${owner}: ${name} is ${value}; expected a finite number from 0 up`);
  }
  return value;
}
