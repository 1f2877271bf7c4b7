import { fetchBytes } from './fetch-bytes.js';
import { SHIPPED_MODELS } from './models.js';
import { ownModels } from './own-models.js';

/** The models that a worker was given, each once. */
export class GivenModels {
  readonly #given = new Map<string, Promise<void>>();

  /** @param add hands the worker a model */
  constructor(readonly add: (title: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>) {}

  /** Sees to it that the worker has the model of a title, shipped or one's own. */
  give(title: string): Promise<void> {
    const before = this.#given.get(title);
    if (before) return before;
    const giving = bytesOf(title).then((bytes) => this.add(title, bytes));
    this.#given.set(title, giving);
    // What failed is tried again when it is next asked for.
    giving.catch(() => this.#given.delete(title));
    return giving;
  }

  /** Hands the worker a model whose bytes are at hand. */
  async put(title: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.add(title, bytes);
    this.#given.set(title, Promise.resolve());
  }

  /** Forgets all: the worker is gone. */
  clear(): void {
    this.#given.clear();
  }
}

async function bytesOf(title: string): Promise<Uint8Array<ArrayBuffer>> {
  const shipped = SHIPPED_MODELS.find((model) => model.title === title);
  if (shipped) return fetchBytes(shipped.file);
  const own = ownModels.value.find((model) => model.title === title);
  if (own) return own.bytes;
  throw new Error(`There is no model '${title}'.`);
}
