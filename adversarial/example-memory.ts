import type { Device } from '../engine/device.js';
import { ArgumentError } from '../engine/errors.js';
import { full, onesLike, tensor } from '../engine/ops/create.js';
import { gt, where } from '../engine/ops/elementwise.js';
import { indexAdd, indexSelect } from '../engine/ops/indexing.js';
import { keep, type Tensor } from '../engine/tensor.js';

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

  /** All numbers, in the order of the dataset. */
  async values(): Promise<Float32Array> {
    return this.#values.floats();
  }

  /**
   * Takes back what `values` gave.
   *
   * @throws ArgumentError where there are more or fewer than examples, or one is not finite
   */
  load(values: Float32Array<ArrayBuffer>): void {
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (values.length !== this.size || bad >= 0) {
      const what = bad >= 0 ? `value ${bad} is ${values[bad]}` : `${values.length} values`;
      throw new ArgumentError(`ExampleMemory: ${what}; expected ${this.size} finite numbers, one for each example`);
    }
    const { device } = this.#values;
    device.scope(() => {
      this.#values.copyFrom(tensor(values, { device }));
    });
  }

  /** Frees its memory. */
  dispose(): void {
    this.#values.dispose();
  }
}
