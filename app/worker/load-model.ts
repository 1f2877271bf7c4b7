import type { Device } from '../../engine/device.js';
import { ArgumentError, BulwarkError, FormatError } from '../../engine/errors.js';
import { modelDescriptionOf, modelOfFile, type ModelDescription } from '../../nn/model-file.js';
import type { Module } from '../../nn/module.js';
import { decodeSafetensors } from '../../nn/safetensors.js';

/** Larger files are refused: they are no model for a page. */
export const MAX_MODEL_BYTES = 200e6;

/** What the page's models look at: one channel of 28 x 28, ten classes. */
const EXPECTED = { inChannels: 1, imageSize: 28, classes: 10 } as const;

/** A model in a safetensors file, in evaluation mode, with what the file says of it. */
export interface LoadedModel {
  readonly model: Module;
  readonly description: ModelDescription;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Builds the model of a safetensors file. What it throws is a sentence to show.
 *
 * @throws BulwarkError where it is no such file, says not of which model it is, or is of one that does not look at digits
 */
export function loadModel(bytes: Uint8Array, name: string, device: Device): LoadedModel {
  if (bytes.length > MAX_MODEL_BYTES) {
    throw new ArgumentError(
      `${name}: ${Math.round(bytes.length / 1e6)} MB are too much; at most ${MAX_MODEL_BYTES / 1e6}.`,
    );
  }
  const file = { ...decodeSafetensors(bytes, name), path: name };
  const description = modelDescriptionOf(file);
  for (const [key, expected] of Object.entries(EXPECTED)) {
    const found = description[key as keyof typeof EXPECTED];
    if (found !== expected)
      throw new FormatError(`${name}: its ${key} is ${found}; the models of this page have ${expected}.`);
  }
  try {
    return { model: modelOfFile(file, description, { device }).eval(), description, metadata: file.metadata };
  } catch (cause) {
    if (!(cause instanceof BulwarkError)) throw cause;
    // The first line says what; the others list the tensors.
    const [first = '', ...others] = cause.message.split('\n');
    throw new FormatError(`${first.replace(/:$/, '')}${others[0] ? ` (${others[0].trim()})` : ''}.`, { cause });
  }
}
