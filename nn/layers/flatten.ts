import { flatten } from '../../engine/ops/movement.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';

/** Merges the axes from `start` to `end` (inclusive) into one, all but the batch unless told, as PyTorch's `nn.Flatten`. */
export class Flatten extends Module {
  constructor(
    readonly start = 1,
    readonly end = -1,
  ) {
    super();
  }

  /** `[n, c, h, w]` to `[n, c h w]` with the default axes. */
  forward(x: Tensor): Tensor {
    return flatten(x, this.start, this.end);
  }
}
