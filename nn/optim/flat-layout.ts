import type { Tensor } from '../../engine/tensor.js';

/** Ranges of a buffer that kernels bind start at multiples of this many bytes. */
const ALIGNMENT = 256;

/** Where tensors are that lie side by side in one buffer, in bytes; the gaps between them are at most 252 bytes each. */
export interface FlatLayout {
  readonly offsets: readonly number[];
  /** Of the whole buffer; never 0. */
  readonly bytes: number;
}

/** The layout of tensors of these sizes, in their order. */
export function layOut(tensors: readonly Pick<Tensor, 'bytes'>[]): FlatLayout {
  let bytes = 0;
  const offsets = tensors.map((tensor) => {
    const offset = bytes;
    bytes += Math.ceil(tensor.bytes / ALIGNMENT) * ALIGNMENT;
    return offset;
  });
  return { offsets, bytes: Math.max(bytes, ALIGNMENT) };
}
