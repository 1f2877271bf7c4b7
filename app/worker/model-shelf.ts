import type { Device } from '../../engine/device.js';
import { BulwarkError } from '../../engine/errors.js';
import type { Module } from '../../nn/module.js';
import { loadModel } from './load-model.js';

/** The models that a worker has, by their titles: their files, and what was built of them on the device at hand. */
export class ModelShelf {
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly name: string }>();
  #built = new Map<string, Module>();
  #device: Device | undefined;

  /**
   * Puts the model of a safetensors file on the shelf, in place of one of the same title. Throws as `loadModel` does; the shelf is then as
   * it was.
   */
  add(title: string, bytes: Uint8Array, device: Device, name = title): void {
    const { model } = loadModel(bytes, name, device);
    this.#on(device);
    this.#built.get(title)?.dispose();
    this.#built.set(title, model);
    this.#files.set(title, { bytes, name });
  }

  /** The model of a title that is on the shelf, on this device. */
  model(title: string, device: Device): Module {
    this.#on(device);
    const built = this.#built.get(title);
    if (built) return built;
    const file = this.#files.get(title);
    if (!file) throw new BulwarkError(`There is no model '${title}'.`);
    const { model } = loadModel(file.bytes, file.name, device);
    this.#built.set(title, model);
    return model;
  }

  /** What was built on a device that is gone went with it. */
  #on(device: Device): void {
    if (this.#device === device) return;
    this.#built = new Map();
    this.#device = device;
  }
}
