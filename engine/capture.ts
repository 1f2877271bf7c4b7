import { CaptureError } from './errors.js';
import type { BufferRange, Dispatch } from './kernel.js';
import { Storage, type Tensor } from './tensor.js';
import { VirtualBuffer, isVirtual } from './virtual.js';

/** One thing that a GPU does. */
export type Command =
  | { readonly kind: 'dispatch'; readonly dispatch: Dispatch }
  | { readonly kind: 'copy'; readonly from: BufferRange; readonly to: BufferRange; readonly bytes: number }
  | { readonly kind: 'clear'; readonly range: BufferRange };

/** Values from the CPU that a captured function puts into memory of its own. */
export interface Constant {
  readonly range: BufferRange;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many commands come before. */
  readonly before: number;
}

/** A value that decided what a captured function did, as it was when it was captured. */
interface Observation {
  readonly read: () => unknown;
  readonly value: unknown;
}

/**
 * What a function has the GPU do, written down instead of done: the same calls that the recorder takes, on tensors whose memory
 * is virtual. See `compile`.
 */
export class Capture {
  readonly commands: Command[] = [];
  readonly constants: Constant[] = [];
  /** What host code works out anew for every run, in order. */
  readonly perRun: (() => void)[] = [];
  /** Memory from before the capture that it uses. */
  readonly external = new Set<Storage>();
  /** Tensors from before the capture that it uses, and the memory that each had. */
  readonly tensors = new Map<Tensor, Storage>();
  /** Virtual memory that tensors still hold. */
  readonly held = new Map<VirtualBuffer, Storage>();
  readonly #observations = new Map<object, Observation | undefined>();
  readonly #first: number;

  /** @param first the id of the newest tensor from before the capture */
  constructor(first: number) {
    this.#first = first;
  }

  /** Memory for a tensor that is made meanwhile. */
  storage(bytes: number): Storage {
    const buffer = new VirtualBuffer(bytes);
    const storage = new Storage(buffer, () => this.held.delete(buffer));
    this.held.set(buffer, storage);
    return storage;
  }

  /** Notes that a tensor's memory is used. */
  use(tensor: Tensor, storage: Storage): void {
    if (isVirtual(storage.buffer)) return;
    if (tensor.id <= this.#first) this.tensors.set(tensor, storage);
    if (!this.external.has(storage)) this.external.add(storage.retain());
  }

  dispatch(dispatch: Dispatch): void {
    this.commands.push({ kind: 'dispatch', dispatch });
  }

  copy(from: BufferRange, to: BufferRange, bytes: number): void {
    this.commands.push({ kind: 'copy', from, to, bytes });
  }

  clear(range: BufferRange): void {
    this.commands.push({ kind: 'clear', range });
  }

  /** Values from the CPU, which are the same in every run. */
  write(range: BufferRange, data: ArrayBufferView<ArrayBuffer>): void {
    if (!isVirtual(range.buffer)) {
      throw new CaptureError(
        'compile: the function overwrites a tensor that it did not make with values from the CPU, which would be the same in ' +
          'every run; give them to it as an argument',
      );
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    this.constants.push({ range, bytes, before: this.commands.length });
  }

  /** A value that `compute` gives anew for every run. */
  value<T>(compute: () => T): () => T {
    let current: { value: T } | undefined;
    this.perRun.push(() => (current = { value: compute() }));
    return () => {
      if (!current) throw new CaptureError('compile: a value of a run was asked for before the first run');
      return current.value;
    };
  }

  /** Notes what `read` gives for `owner` now, unless the function has seen or set it before. */
  observe(owner: object, read: () => unknown): void {
    if (!this.#observations.has(owner)) this.#observations.set(owner, { read, value: read() });
  }

  /** Notes that the function sets what it may go on to read of `owner`. */
  overwrite(owner: object): void {
    if (!this.#observations.has(owner)) this.#observations.set(owner, undefined);
  }

  /** Whether what the function went by is still as it was. */
  holds(): boolean {
    for (const observation of this.#observations.values()) {
      if (observation && observation.read() !== observation.value) return false;
    }
    for (const [tensor, storage] of this.tensors) if (!tensor.isIn(storage)) return false;
    return true;
  }

  /** Lets go of the memory from before. */
  release(): void {
    for (const storage of this.external) storage.release();
    this.external.clear();
  }
}

/** Captures run one at a time, and without a pause: the one that is running now, on whatever device. */
let running: Capture | undefined;

/** Runs the synchronous `fn` as the function that is being captured. */
export function capturing<T>(capture: Capture, fn: () => T): T {
  const before = running;
  running = capture;
  try {
    return fn();
  } finally {
    running = before;
  }
}

/**
 * Tells a capture that goes on that the function goes by a value of the host (a module's mode), so that it is captured anew where
 * the value is another later.
 */
export function observeHost(owner: object, read: () => unknown): void {
  running?.observe(owner, read);
}

/** Tells a capture that goes on that the function sets this value itself. */
export function overwriteHost(owner: object): void {
  running?.overwrite(owner);
}
