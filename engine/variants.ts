import { observeHost } from './capture.js';
import type { Capabilities } from './device.js';
import type { Tensor } from './tensor.js';

/** How an op may be computed, as JSON holds it: a name, or a kernel with its tile. */
export type Variant = string | Readonly<Record<string, string | number | boolean>>;

/** How to try the variants of an op at one size; they go by their places among the candidates. */
export interface VariantTrial {
  /** The one that the others have to agree with. */
  readonly plain: number;
  /** Tensors to compute on, in the caller's scope. */
  readonly inputs: () => readonly Tensor[];
  /** Records the op by a variant; gives what it makes. */
  readonly record: (variant: number, inputs: readonly Tensor[]) => Tensor;
}

/** An op at one size that was computed without a measurement. */
export interface VariantChoice {
  /** The op, the sizes that decide, and the others rounded: `conv2d forward|c64|...`. */
  readonly key: string;
  /** Those that can run here, the one expected to be best first. */
  readonly candidates: readonly Variant[];
  readonly trial: VariantTrial;
}

/** The variants that measurement chose, by their keys: what a cache file holds. */
export type VariantEntries = Readonly<Record<string, Variant>>;

/** Where chosen variants outlive the process: a file, or a browser's database. */
export interface VariantStore {
  /** What was saved for this adapter; undefined where nothing was, or where it cannot be read. */
  load(adapter: string): Promise<VariantEntries | undefined>;
  save(adapter: string, entries: VariantEntries): Promise<void>;
}

/** Choices to be measured that are remembered: ever new sizes would make ever more. */
const MOST_ASKED = 512;

/** Which variant computes what on a device: what measurement has chosen, and where there is no measurement, the expected one. */
export class VariantTable {
  readonly #chosen = new Map<string, Variant>();
  readonly #asked = new Map<string, VariantChoice>();
  #version = 0;
  /** Where what is chosen is kept. */
  store: VariantStore | undefined;

  /** The place among the candidates of the one measured to be best, if it can run here, or else of the first. */
  choose(key: string, candidates: readonly Variant[], trial: () => VariantTrial): number {
    // A captured function is captured anew when measurement has changed what it goes by.
    observeHost(this, () => this.#version);
    const chosen = this.#chosen.get(key);
    if (chosen !== undefined) {
      const text = JSON.stringify(chosen);
      return Math.max(
        0,
        candidates.findIndex((candidate) => JSON.stringify(candidate) === text),
      );
    }
    if (candidates.length > 1 && this.#asked.size < MOST_ASKED && !this.#asked.has(key)) {
      this.#asked.set(key, { key, candidates, trial: trial() });
    }
    return 0;
  }

  /** Choices that were made without a measurement. */
  get asked(): readonly VariantChoice[] {
    return [...this.#asked.values()];
  }

  /** Whether there is a choice to be measured. */
  get isAsked(): boolean {
    return this.#asked.size > 0;
  }

  /** Notes what measurement chose. */
  set(key: string, variant: Variant): void {
    this.#chosen.set(key, variant);
    this.#asked.delete(key);
    this.#version++;
  }

  /** Everything that measurement chose. */
  entries(): VariantEntries {
    return Object.fromEntries([...this.#chosen].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Changes whenever a choice does. */
  get version(): number {
    return this.#version;
  }

  /** Goes by these choices from now on, and by no others. */
  replace(entries: VariantEntries): void {
    this.#chosen.clear();
    this.#version++;
    this.load(entries);
  }

  /** Takes over what was chosen before. */
  load(entries: VariantEntries): void {
    for (const [key, variant] of Object.entries(entries)) this.set(key, variant);
  }
}

/** Changes whenever kernels change so that old measurements say nothing any more. */
const KERNELS = 1;

/** What measurements are kept by: everything that decides how fast kernels run on an adapter. */
export function adapterKey({ vendor, architecture, description, subgroupSize, f16 }: Capabilities): string {
  return [`kernels ${KERNELS}`, vendor, architecture, description, `subgroups of ${subgroupSize}`, f16 ? 'f16' : '']
    .filter((part) => part !== '')
    .join('|');
}

/** The next power of two, for sizes that matter only by their magnitude. */
export function bucket(size: number): number {
  return size <= 1 ? size : 2 ** Math.ceil(Math.log2(size));
}
