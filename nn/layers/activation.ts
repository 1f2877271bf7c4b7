import { relu } from '../../engine/ops/elementwise.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';

/** max(x, 0), as PyTorch's `nn.ReLU`. */
export class ReLU extends Module {
  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}
