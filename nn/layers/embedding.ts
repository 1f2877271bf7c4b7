import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { arange, zerosLike } from '../../engine/ops/create.js';
import { eq, where } from '../../engine/ops/elementwise.js';
import { embedding } from '../../engine/ops/indexing.js';
import { unsqueeze } from '../../engine/ops/movement.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { normal } from '../init.js';
import { Module } from '../module.js';
import { checkIntegers } from './sizes.js';

/** Options of {@link Embedding}. */
export interface EmbeddingLayerOptions {
  readonly device: Device;
  /** A row that is zeros at first and gets no gradient; none unless told. */
  readonly paddingIdx?: number;
  /** Where the initial values come from; the device's own stream for initialisation unless told. */
  readonly generator?: Generator | undefined;
}

/** Rows of a table `weight [numEmbeddings, embeddingDim]`, as PyTorch's `nn.Embedding`, drawn from N(0, 1). */
export class Embedding extends Module {
  readonly weight: Tensor;
  readonly paddingIdx: number | undefined;

  /** @throws ArgumentError for sizes that are not positive integers, or a `paddingIdx` that is none of the rows */
  constructor(numEmbeddings: number, embeddingDim: number, { device, paddingIdx, generator }: EmbeddingLayerOptions) {
    super();
    checkIntegers('Embedding', { numEmbeddings, embeddingDim });
    if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= 0 && paddingIdx < numEmbeddings)) {
      throw new ArgumentError(`Embedding: paddingIdx is ${paddingIdx}; expected a row, 0 to ${numEmbeddings - 1}`);
    }
    this.paddingIdx = paddingIdx;
    this.weight = this.registerParameter('weight', device.empty([numEmbeddings, embeddingDim]));
    normal(this.weight, 1, generator);
    if (paddingIdx !== undefined) {
      const padding = unsqueeze(eq(arange(0, numEmbeddings, { device }), paddingIdx), 1);
      this.weight.copyFrom(where(padding, zerosLike(this.weight), this.weight.detach()));
    }
  }

  /** i32 indices of any shape to `[...shape, embeddingDim]`. */
  forward(indices: Tensor): Tensor {
    const { weight, paddingIdx } = this;
    return embedding(indices, weight, paddingIdx === undefined ? {} : { paddingIdx });
  }
}
