import source from '../../shaders/ema.wgsl';
import { float } from '../../engine/dtype.js';
import { ArgumentError } from '../../engine/errors.js';
import { defineKernel, strideWorkgroups, type Word } from '../../engine/kernel.js';
import { Tensor } from '../../engine/tensor.js';
import type { SafetensorsTensor } from '../safetensors.js';
import { StateDictError, loadTensors, stateMap, type StateDict } from '../state-dict.js';
import type { ParameterArena } from './arena.js';

const updateKernel = defineKernel({ name: 'ema', source, bindings: ['read', 'write'] });
const swapKernel = defineKernel({ name: 'ema', source, bindings: ['write', 'write'] });

/** Under which `stateDict` counts the updates, as PyTorch's `AveragedModel` does. */
const COUNT = 'n_averaged';

/** Options of every average. */
export interface ParameterAverageOptions {
  /** The first so many updates take the parameters as they are, an integer from 1 up; averaging begins with the next. 1 unless told. */
  readonly start?: number;
}

/** An average of an optimiser's parameters over its steps, in one dispatch an update whatever their number. */
export abstract class ParameterAverage {
  readonly start: number;
  readonly #name: string;
  readonly #arena: ParameterArena;
  readonly #averages: Tensor;
  readonly #views: readonly Tensor[];
  #updates = 0;

  /** @throws ArgumentError for a start that is not an integer from 1 up */
  protected constructor(name: string, arena: ParameterArena, { start = 1 }: ParameterAverageOptions) {
    if (!Number.isInteger(start) || start < 1) {
      throw new ArgumentError(`${name}: start is ${start}; expected an integer from 1 up`);
    }
    this.start = start;
    this.#name = name;
    this.#arena = arena;
    this.#averages = arena.zeros();
    this.#views = arena.views(this.#averages);
  }

  /** The weight of the parameters in an update; `t` counts the updates since averaging began, from 0. */
  protected abstract weightAt(t: number): number;

  /** Whether there has been an update. */
  get isReady(): boolean {
    return this.#updates > 0;
  }

  /** The averages, of the parameters' shapes and in their order; zeros before the first update. */
  get averages(): readonly Tensor[] {
    return this.#views;
  }

  /**
   * Records one update by the parameters as they are now; to be called after the optimiser's step.
   *
   * @throws ArgumentError where a parameter has left for another optimiser
   */
  update(): void {
    const weight = this.#arena.device.perRun(() => {
      const t = this.#updates++ - this.start;
      return t < 0 ? 1 : this.weightAt(t);
    });
    this.#dispatch(false, () => float(weight()));
  }

  /**
   * Exchanges the parameters with their averages: to evaluate the average, and once more to go on training. Running statistics of
   * batch norm stay the model's: see `updateBatchNorm`.
   *
   * @throws ArgumentError before the first update, or where a parameter has left for another optimiser
   */
  swap(): void {
    if (!this.isReady) throw new ArgumentError(`${this.#name}.swap: there is no average yet; update it first`);
    this.#dispatch(true, 0);
    this.#arena.markWritten();
  }

  #dispatch(swap: boolean, weight: Word): void {
    const { device, values } = this.#arena;
    this.#arena.checkHome(this.#name);
    for (const { ranges, vectors } of this.#arena.parts(values, this.#averages.range)) {
      device.dispatch({
        kernel: swap ? swapKernel : updateKernel,
        constants: { SWAP: swap },
        buffers: ranges,
        uniforms: [vectors, weight],
        workgroups: strideWorkgroups(vectors, device.caps),
        label: swap ? `${this.#name} swap` : this.#name,
      });
    }
  }

  /** Under `<index>` the average of each parameter, under `n_averaged` the updates so far. */
  stateDict(): Map<string, Tensor | SafetensorsTensor> {
    const count: SafetensorsTensor = { dtype: 'F32', shape: [], data: Float32Array.of(this.#updates) };
    return new Map<string, Tensor | SafetensorsTensor>([
      [COUNT, count],
      ...this.#views.map((view, index) => [String(index), view] as const),
    ]);
  }

  /** Overwrites the averages. @throws StateDictError where names, shapes or dtypes differ; nothing is changed then */
  loadStateDict(state: StateDict): void {
    const what = `${this.#name}.loadStateDict`;
    const given = new Map(stateMap(state));
    const count = given.get(COUNT);
    if (!count) throw new StateDictError(what, { missing: [COUNT], unexpected: [] }, []);
    const updates = !(count instanceof Tensor) && count.data.length === 1 ? Number(count.data[0]) : Number.NaN;
    if (!Number.isInteger(updates) || updates < 0) {
      throw new StateDictError(what, { missing: [], unexpected: [] }, [`${COUNT} is not a count on the CPU`]);
    }
    given.delete(COUNT);
    loadTensors(what, new Map(this.#views.map((view, index) => [String(index), view])), given);
    this.#updates = updates;
  }

  /** Frees the averages. */
  dispose(): void {
    for (const tensor of [...this.#views, this.#averages]) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
