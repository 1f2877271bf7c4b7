import { ArgumentError } from '../engine/errors.js';
import { Generator, type Seed } from '../engine/random.js';
import type { Dataset } from './dataset.js';

/** How a {@link Loader} cuts a dataset into batches. */
export interface LoaderOptions {
  readonly batchSize: number;
  /** A new order each epoch, a function of seed and epoch alone; true unless told. */
  readonly shuffle?: boolean | undefined;
  /** 0 unless told. */
  readonly seed?: Seed | undefined;
  /** Leave out the last batch of an epoch where it is smaller than the others; false unless told. */
  readonly dropLast?: boolean | undefined;
}

/** Examples on the CPU, ready for upload. */
export interface Batch {
  /** Floats in [0, 1], `size` examples one after the other. */
  readonly images: Float32Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
  /** The examples' numbers in the dataset. */
  readonly indices: Uint32Array<ArrayBuffer>;
  /** Number of examples. */
  readonly size: number;
  /** [size, ...shape of an example]. */
  readonly shape: readonly number[];
  readonly epoch: number;
  /** Number of the batch within its epoch. */
  readonly position: number;
}

/** A place in the sequence of batches. */
export interface LoaderPosition {
  readonly epoch: number;
  /** Number of the batch within the epoch, from 0. */
  readonly position: number;
}

/**
 * Cuts a dataset into batches, in a new random order each epoch. Every batch is a function of (seed, epoch, position),
 * so that a run can be taken up anywhere with the batches that it would have had.
 */
export class Loader {
  readonly dataset: Dataset;
  readonly batchSize: number;
  /** Batches in an epoch. */
  readonly length: number;
  readonly #shuffle: boolean;
  readonly #seed: Seed;
  #latest: { epoch: number; order: Uint32Array<ArrayBuffer> } | undefined;
  #prefetched: Batch | undefined;

  /**
   * @throws ArgumentError for a batch size that is not an integer from 1 up, or where there would be no batch at all
   */
  constructor(dataset: Dataset, options: LoaderOptions) {
    const { batchSize, shuffle = true, seed = 0, dropLast = false } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new ArgumentError(`loader: batch size ${batchSize} is not an integer from 1 up`);
    }
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.#shuffle = shuffle;
    this.#seed = seed;
    this.length = (dropLast ? Math.floor : Math.ceil)(dataset.size / batchSize);
    if (this.length === 0) {
      throw new ArgumentError(
        `loader: ${dataset.name} has ${dataset.size} examples, which make no batch` +
          (dropLast ? ` of ${batchSize}; take smaller batches or keep the last one` : ''),
      );
    }
    this.#orderOf(0);
  }

  /**
   * The numbers of the dataset's examples in the order of an epoch.
   * @throws ArgumentError for an epoch that is not an integer of 0 .. 2^32 - 1
   */
  order(epoch: number): Uint32Array<ArrayBuffer> {
    return this.#orderOf(epoch).slice();
  }

  /**
   * One batch.
   * @throws ArgumentError where the epoch has no batch of that number
   */
  batch(epoch: number, position: number): Batch {
    const held = this.#prefetched;
    if (held?.epoch !== epoch || held.position !== position) return this.#gather(epoch, position);
    // Handed out once, since its arrays are the caller's.
    this.#prefetched = undefined;
    return held;
  }

  /**
   * Makes a batch now, which `batch` then gives at once: for while the GPU is at work on the one before. Holds one batch, the latest.
   * @throws ArgumentError where the epoch has no batch of that number
   */
  prefetch({ epoch, position }: LoaderPosition): void {
    const held = this.#prefetched;
    if (held?.epoch !== epoch || held.position !== position) this.#prefetched = this.#gather(epoch, position);
  }

  #gather(epoch: number, position: number): Batch {
    this.#checkPosition(position, this.length - 1);
    const indices = this.#orderOf(epoch).slice(position * this.batchSize, (position + 1) * this.batchSize);
    const { images, labels } = this.dataset.gather(indices);
    const shape = [indices.length, ...this.dataset.exampleShape];
    return { images, labels, indices, size: indices.length, shape, epoch, position };
  }

  /** Examples in the batch of this number within an epoch. Throws an `ArgumentError` where there is none. */
  sizeOf(position: number): number {
    this.#checkPosition(position, this.length - 1);
    return Math.min(this.batchSize, this.dataset.size - position * this.batchSize);
  }

  /**
   * The batches of one epoch, from a given one on; none where `position` is the epoch's end. Asynchronous so that loops
   * over batches need not change for datasets that are read piece by piece.
   * @throws ArgumentError where the epoch has no such position
   */
  async *epoch(epoch: number, position = 0): AsyncGenerator<Batch, void, undefined> {
    this.#checkPosition(position, this.length);
    for (let at = position; at < this.length; at++) yield await Promise.resolve(this.batch(epoch, at));
  }

  /** Batches without end, epoch after epoch, from a given place on (the very first unless told). */
  async *batches(from: LoaderPosition = { epoch: 0, position: 0 }): AsyncGenerator<Batch, never, undefined> {
    yield* this.epoch(from.epoch, from.position);
    for (let epoch = from.epoch + 1; ; epoch++) yield* this.epoch(epoch);
  }

  /**
   * The place `steps` batches after the start: where a run of that many steps goes on.
   * @throws ArgumentError for a number that is not an integer from 0 up
   */
  positionAfter(steps: number): LoaderPosition {
    if (!Number.isSafeInteger(steps) || steps < 0) {
      throw new ArgumentError(`loader: ${steps} steps; expected an integer from 0 up`);
    }
    return { epoch: Math.floor(steps / this.length), position: steps % this.length };
  }

  #orderOf(epoch: number): Uint32Array<ArrayBuffer> {
    if (this.#latest?.epoch !== epoch) {
      const { size } = this.dataset;
      const generator = new Generator(this.#seed, { purpose: 'shuffle', index: epoch });
      const order = this.#shuffle ? generator.permutation(size) : Uint32Array.from({ length: size }, (_, i) => i);
      this.#latest = { epoch, order };
    }
    return this.#latest.order;
  }

  #checkPosition(position: number, last: number): void {
    if (Number.isInteger(position) && position >= 0 && position <= last) return;
    throw new ArgumentError(
      `loader: there is no batch ${position}; those of an epoch are numbered 0 .. ${this.length - 1}`,
    );
  }
}
