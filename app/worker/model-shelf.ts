import type { Device } from '../../engine/device.js';
import { BulwarkError, FormatError } from '../../engine/errors.js';
import {
  describeModel,
  modelDescriptionOf,
  modelOfFile,
  type ModelDescription,
  type ModelFile,
} from '../../nn/model-file.js';
import { seededSource } from '../../nn/models/registry.js';
import type { Module } from '../../nn/module.js';
import { decodeSafetensors } from '../../nn/safetensors.js';
import { LARGEST_MODEL, checkSize } from '../size-limit.js';

/** The models that a worker has, by their titles: their files, and what was built of them on the device at hand. */
export class ModelShelf {
  readonly #files = new Map<string, { readonly file: ModelFile; readonly description: ModelDescription }>();
  #built = new Map<string, Module>();
  #device: Device | undefined;

  /** Whether there is a model of this title. */
  has(title: string): boolean {
    return this.#files.has(title);
  }

  /**
   * Puts a safetensors file on the shelf, and builds its model, for images of MNIST.
   *
   * @throws FormatError or BulwarkError in one sentence for a file that is too large, broken, or of another network; the shelf is then as
   * it was
   */
  add(title: string, bytes: Uint8Array, device: Device): Module {
    const file = { path: title, ...readFile(title, bytes) };
    const description = modelDescriptionOf(file);
    const { classes, inChannels, imageSize } = description;
    if (classes !== 10 || inChannels !== 1 || imageSize !== 28) {
      throw new FormatError(
        `${title}: is a ${describeModel(description)} for ${inChannels} x ${imageSize} x ${imageSize} images; ` +
          'expected 10 classes and images of 1 x 28 x 28.',
      );
    }
    const before = this.#files.get(title);
    this.#files.set(title, { file, description });
    try {
      return this.model(title, device);
    } catch (cause) {
      if (before) this.#files.set(title, before);
      else this.#files.delete(title);
      throw cause instanceof BulwarkError ? new BulwarkError(inOneSentence(cause.message), { cause }) : cause;
    }
  }

  /** The model of a title that is on the shelf, on this device. */
  model(title: string, device: Device): Module {
    if (this.#device !== device) {
      // What was built on a device that is gone went with it.
      this.#built = new Map();
      this.#device = device;
    }
    const built = this.#built.get(title);
    if (built) return built;
    const known = this.#files.get(title);
    if (!known) throw new BulwarkError(`There is no model '${title}'.`);
    const made = modelOfFile(known.file, known.description, seededSource(device, 0)).eval();
    this.#built.set(title, made);
    return made;
  }
}

function readFile(title: string, bytes: Uint8Array): ReturnType<typeof decodeSafetensors> {
  checkSize({ name: title, size: bytes.length }, LARGEST_MODEL);
  return decodeSafetensors(bytes, title);
}

/** A message of several lines, one to each difference, as a sentence: the first of them, and how many there are. */
function inOneSentence(message: string): string {
  const [head = '', first, ...more] = message.split('\n').map((line) => line.trim());
  if (first === undefined) return head;
  return `${head} ${first}${more.length > 0 ? `, and ${more.length} more differences` : ''}.`;
}
