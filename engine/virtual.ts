import { CaptureError } from './errors.js';

/** Memory that is not there yet: where the tensors of a compiled function live while it is captured. */
export class VirtualBuffer {
  /** Tells it from a `GPUBuffer` for the type checker too. */
  readonly virtual = true;

  /** @param size in bytes, a multiple of 16 */
  constructor(readonly size: number) {}
}

/** A buffer, or what stands for one. */
export type BufferHandle = GPUBuffer | VirtualBuffer;

/** Whether a buffer only stands for one. */
export function isVirtual(buffer: BufferHandle): buffer is VirtualBuffer {
  return buffer instanceof VirtualBuffer;
}

/** A buffer that is there. */
export function real(buffer: BufferHandle): GPUBuffer {
  if (isVirtual(buffer)) {
    throw new CaptureError(
      'compile: a tensor that a compiled function made was used outside it; return it from the function',
    );
  }
  return buffer;
}
