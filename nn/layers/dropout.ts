import { ArgumentError } from '../../engine/errors.js';
import { dropout } from '../../engine/ops/random.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';

/** Options of {@link Dropout}. */
export interface DropoutLayerOptions {
  /** Where the masks come from; the device's own stream for dropout unless told. */
  readonly generator?: Generator | undefined;
}

/** In training sets each element to zero with probability `p` and divides the others by 1 - p, as PyTorch's `nn.Dropout`. */
export class Dropout extends Module {
  readonly p: number;
  /** Where the masks come from; undefined for the device's own stream. */
  readonly generator: Generator | undefined;

  /** @throws ArgumentError for a `p` outside [0, 1] */
  constructor(p = 0.5, { generator }: DropoutLayerOptions = {}) {
    super();
    if (!(p >= 0 && p <= 1)) throw new ArgumentError(`Dropout: p is ${p}; expected a probability, 0 to 1`);
    this.p = p;
    this.generator = generator;
  }

  /** Any shape to the same shape; in evaluation `x` itself. */
  forward(x: Tensor): Tensor {
    const { generator } = this;
    return dropout(x, this.p, { training: this.training, ...(generator ? { generator } : {}) });
  }
}
