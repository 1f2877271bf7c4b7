/** A run as a file: a training checkpoint that any reader of those takes, with what else the room knows of the run beside it. */
import { decodeTrainingCheckpoint } from '../../../adversarial/training-checkpoint.js';
import { FormatError } from '../../../engine/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../../nn/safetensors.js';
import type { KeptRun } from './run-store.js';
import { DEFAULTS } from './settings.js';

const KEY = 'playground';

/** What is written beside the checkpoint. */
type Beside = Omit<KeptRun, 'checkpoint' | 'step'>;

/** The bytes of a run's file. */
export function encodeRun({ settings, model, images, curves, notes, checkpoint }: KeptRun): Uint8Array<ArrayBuffer> {
  const { tensors, metadata } = decodeSafetensors(checkpoint, 'the run');
  const beside: Beside = { settings, model, images, curves, notes };
  return encodeSafetensors(tensors, { ...metadata, [KEY]: JSON.stringify(beside) });
}

/** Whether a file that is metadata of a safetensors file is a run's. */
export function isRun(metadata: Readonly<Record<string, string>>): boolean {
  return KEY in metadata;
}

/**
 * Reads what {@link encodeRun} gave; `name` is the file's.
 *
 * @throws FormatError where it is broken, or a file of something else
 */
export function decodeRun(bytes: Uint8Array<ArrayBuffer>, name: string): KeptRun {
  const { step } = decodeTrainingCheckpoint(bytes, name);
  return { ...besideIn(bytes, name), step, checkpoint: bytes };
}

function besideIn(bytes: Uint8Array, name: string): Beside {
  const text = decodeSafetensors(bytes, name).metadata[KEY];
  if (text === undefined) throw new FormatError(`${name}: is a run, but none of this room: its settings are missing.`);
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${name}: what it says of the run is no JSON.`, { cause });
  }
  if (!isBeside(found)) throw new FormatError(`${name}: lacks the settings, the network or the curves of a run.`);
  return found;
}

function isBeside(found: unknown): found is Beside {
  const { settings, model, images, curves, notes } = fieldsOf(found);
  const { steps, terms, batches, measured } = fieldsOf(curves);
  return (
    Object.entries(DEFAULTS).every(([key, usual]) => typeof fieldsOf(settings)[key] === typeof usual) &&
    typeof fieldsOf(model)['name'] === 'string' &&
    typeof fieldsOf(images)['digest'] === 'string' &&
    [steps, measured, notes].every(Array.isArray) &&
    [terms, batches].every((lines) => Object.values(fieldsOf(lines)).every(Array.isArray))
  );
}

/** What an object has, by name; nothing of anything else. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
