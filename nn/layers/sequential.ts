import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';

/**
 * Modules one after another, as PyTorch's `nn.Sequential`: `new Sequential(a, b)` names them `0`, `1`, and
 * `new Sequential({ conv1: a, relu1: b })` as told.
 */
export class Sequential extends Module {
  readonly #layers: readonly Module[];

  constructor(...layers: readonly Module[] | readonly [Readonly<Record<string, Module>>]) {
    super();
    const named = layers.flatMap((layer, index) =>
      layer instanceof Module ? [[String(index), layer] as const] : Object.entries(layer),
    );
    this.#layers = named.map(([name, layer]) => this.registerModule(name, layer));
  }

  /** The output of the last module; `x` itself where there is none. */
  forward(x: Tensor): Tensor {
    return this.#layers.reduce((value, layer) => layer.forward(value), x);
  }
}
