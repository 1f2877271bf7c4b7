import { BulwarkError } from '../engine/errors.js';
import { modelMetadata, type ModelDescription, type ModelFile } from './model-file.js';
import type { Module } from './module.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';
import { saveStateDict } from './state-dict.js';

/**
 * A model as a safetensors file: to be downloaded, uploaded or kept. With a description it says which model it is of, and `modelOfFile`
 * builds that anew.
 */
export async function modelBlob(model: Module, description?: ModelDescription): Promise<Blob> {
  const bytes = encodeSafetensors(await saveStateDict(model), description && modelMetadata(description));
  return new Blob([bytes], { type: 'application/octet-stream' });
}

/**
 * Reads a safetensors file, such as a `File` that a user chose: its `tensors` are for `loadStateDict`, all of it for `modelOfFile`.
 *
 * @param path names it in errors; a file's own name unless told
 * @throws FormatError naming the file and the byte, where it is none; BulwarkError where it cannot be read
 */
export async function readModelBlob(blob: Blob, path?: string): Promise<ModelFile> {
  const name = path ?? (blob instanceof File ? blob.name : 'the blob');
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw new BulwarkError(`${name}: cannot be read: ${String(cause)}`, { cause });
  }
  return { path: name, ...decodeSafetensors(bytes, name) };
}
