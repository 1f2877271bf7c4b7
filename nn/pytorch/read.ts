import { isLegacy, isZip } from './signatures.js';
import type { PyTorchValue } from './value.js';

/** What a PyTorch file holds. */
export interface PyTorchCheckpoint {
  /** What errors call the file. */
  readonly name: string;
  /** 'zip' since PyTorch 1.6, 'legacy' before. */
  readonly format: 'zip' | 'legacy';
  /** The object that was saved. */
  readonly value: PyTorchValue;
}

/** Whether bytes begin as a file of `torch.save` does. */
export function isPyTorch(bytes: Uint8Array): boolean {
  return isZip(bytes) || isLegacy(bytes);
}

/**
 * Reads a file that `torch.save` wrote; `name` names it in errors. Nothing in it is executed: dicts, lists, numbers, texts and
 * tensors are understood, and a file that asks for anything else is refused. The tensors are copies of the file's bytes; those that
 * shared memory in PyTorch share it here, unless they were not contiguous.
 *
 * @throws FormatError naming the file and the byte, for a file that is cut short, damaged or of another format, that asks for a
 * name of Python's which is not on the list, whose tensors leave their storages, or that would unpack to far more than its size
 */
export async function readPyTorch(bytes: Uint8Array, name: string): Promise<PyTorchCheckpoint> {
  const { readCheckpoint } = await import('./read-checkpoint.js');
  return readCheckpoint(bytes, name);
}
