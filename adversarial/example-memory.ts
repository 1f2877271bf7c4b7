import type { Device } from '../engine/device.js';
import { full, onesLike } from '../engine/ops/create.js';
import { gt, where } from '../engine/ops/elementwise.js';
import { indexAdd, indexSelect } from '../engine/ops/indexing.js';
import { keep, type Tensor } from '../engine/tensor.js';
import { loadTensors, type StateDict } from '../nn/state-dict.js';

/** A number of each example of a dataset on the GPU, which training steps read and write by the examples' numbers. */
export class ExampleMemory {
  /** Number of examples. */
  readonly size: number;
  readonly #values: Tensor;

  /** `initial` is what every example has at first. */
  constructor(device: Device, size: number, initial: number) {
    this.size = size;
    this.#values = keep(full([size], initial, { device }));
  }

  /** The numbers of some examples, f32 `[m]`; `examples` is i32 `[m]`. */
  read(examples: Tensor): Tensor {
    return indexSelect(this.#values, 0, examples);
  }

  /** Puts other numbers in the place of those of `examples`, of which no two are the same. */
  write(examples: Tensor, values: Tensor): void {
    this.#values.device.scope(() => {
      const isOne = gt(indexAdd(onesLike(values), 0, examples, this.size), 0);
      this.#values.copyFrom(where(isOne, indexAdd(values, 0, examples, this.size), this.#values));
    });
  }

  /** The numbers under `values`, in the order of the dataset. */
  stateDict(): Map<string, Tensor> {
    return new Map([['values', this.#values]]);
  }

  /** Takes back what `stateDict` gave. @throws StateDictError where there are more or fewer than examples */
  loadStateDict(state: StateDict): void {
    loadTensors('ExampleMemory.loadStateDict', this.stateDict(), state);
  }

  /** All numbers, in the order of the dataset. */
  async values(): Promise<Float32Array> {
    return this.#values.floats();
  }

  /** Frees its memory. */
  dispose(): void {
    this.#values.dispose();
  }
}
