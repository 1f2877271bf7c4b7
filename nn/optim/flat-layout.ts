import type { Device } from '../../engine/device.js';
import type { BufferRange } from '../../engine/kernel.js';
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

/** The same part of several buffers of one layout. */
export interface FlatPart {
  readonly ranges: readonly BufferRange[];
  /** Groups of four f32 in each: what a vec4 kernel runs over. */
  readonly vectors: number;
}

/** Buffers of one layout in the fewest parts that a kernel can bind: one, unless they are over the device's limit to a binding. */
export function partsOf(device: Device, buffers: readonly BufferRange[]): FlatPart[] {
  const bytes = buffers[0]?.size ?? 0;
  const most = Math.floor(device.gpu.limits.maxStorageBufferBindingSize / ALIGNMENT) * ALIGNMENT;
  return Array.from({ length: Math.ceil(bytes / most) }, (_, part) => {
    const start = part * most;
    const size = Math.min(most, bytes - start);
    const ranges = buffers.map(({ buffer, offset }) => ({ buffer, offset: offset + start, size }));
    return { ranges, vectors: size / 16 };
  });
}
