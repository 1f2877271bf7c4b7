import { LimitError } from './errors.js';

/** A GPU buffer owned by a pool, shared by the tensors that are ranges of it. */
export interface PooledBuffer {
  readonly buffer: GPUBuffer;
  /** Capacity in bytes. */
  readonly capacity: number;
}

/** Bytes as `Device.memory()` counts them: exact, from the sizes passed to `createBuffer`. */
export interface PoolUsage {
  /** In buffers that tensors hold. */
  readonly live: number;
  /** In buffers kept for reuse. */
  readonly pooled: number;
  /** The largest `live` so far, or since `resetPeakMemory`. */
  readonly peak: number;
  /** Number of buffers, live and pooled. */
  readonly buffers: number;
}

/** WebGPU's usage flags are fixed numbers; naming them here spares the library the global `GPUBufferUsage`. */
export const BufferUsage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;

/**
 * Buffers by size class: multiples of 256 bytes up to 4 KiB, then sixteen classes to the octave. A released buffer is kept
 * and handed out again, so a step that repeats allocates nothing; commands run in the order they were recorded, which
 * makes reuse within one command encoder safe.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, PooledBuffer[]>();
  readonly #onCreate: () => void;
  readonly #onRefusal: (bytes: number) => void;
  readonly #refused = new Set<PooledBuffer>();
  readonly #checks = new Set<Promise<void>>();
  #live = 0;
  #pooled = 0;
  #peak = 0;
  #buffers = 0;

  /** `onRefusal` is called, some time after the fact, where the GPU had no memory for a buffer. */
  constructor(device: GPUDevice, onCreate: () => void, onRefusal: (bytes: number) => void) {
    this.#device = device;
    this.#onCreate = onCreate;
    this.#onRefusal = onRefusal;
  }

  /**
   * The capacity of the buffer that so many bytes get; a `LimitError` where they are too many for one, or, unless kernels bind it in
   * parts, for a binding.
   */
  capacityOf(bytes: number, inParts = false): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    const limit = inParts ? maxBufferSize : Math.min(maxBufferSize, maxStorageBufferBindingSize);
    if (bytes > limit) {
      const [what, advice] = inParts ? ['', 'a smaller model'] : ['storage ', 'smaller batches'];
      throw new LimitError(
        `a tensor of ${bytes} bytes is over this adapter's limit of ${limit} bytes to a ${what}buffer; use ${advice}`,
      );
    }
    return Math.min(sizeClass(bytes), Math.floor(limit / 256) * 256 || limit);
  }

  acquire(bytes: number, inParts = false): PooledBuffer {
    const capacity = this.capacityOf(bytes, inParts);
    const reused = this.#free.get(capacity)?.pop();
    if (reused) {
      this.#pooled -= capacity;
    } else {
      this.#buffers++;
      this.#onCreate();
    }
    this.#live += capacity;
    this.#peak = Math.max(this.#peak, this.#live);
    return reused ?? this.#create(capacity);
  }

  resetPeak(): void {
    this.#peak = this.#live;
  }

  release(buffer: PooledBuffer): void {
    this.#live -= buffer.capacity;
    if (this.#refused.delete(buffer)) {
      this.#buffers--;
      return;
    }
    this.#pooled += buffer.capacity;
    const list = this.#free.get(buffer.capacity);
    if (list) list.push(buffer);
    else this.#free.set(buffer.capacity, [buffer]);
  }

  /** Waits until it is known of every buffer whether there was memory for it. */
  async settled(): Promise<void> {
    while (this.#checks.size > 0) await Promise.all(this.#checks);
  }

  /** Gives the buffers that no tensor holds back to the GPU. What was recorded with them has to be submitted before. */
  empty(): void {
    for (const list of this.#free.values()) {
      for (const { buffer } of list) buffer.destroy();
      this.#buffers -= list.length;
    }
    this.#free.clear();
    this.#pooled = 0;
  }

  usage(): PoolUsage {
    return { live: this.#live, pooled: this.#pooled, peak: this.#peak, buffers: this.#buffers };
  }

  #create(capacity: number): PooledBuffer {
    this.#device.pushErrorScope('out-of-memory');
    const usage = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
    const created = { buffer: this.#device.createBuffer({ size: capacity, usage }), capacity };
    const check = this.#device
      .popErrorScope()
      .then(
        (error) => {
          if (error) this.#refuse(created);
        },
        // The device is gone, which it says by itself.
        () => undefined,
      )
      .finally(() => this.#checks.delete(check));
    this.#checks.add(check);
    return created;
  }

  /** Keeps a buffer without memory from being handed out again. */
  #refuse(refused: PooledBuffer): void {
    const list = this.#free.get(refused.capacity) ?? [];
    const at = list.indexOf(refused);
    if (at < 0) {
      this.#refused.add(refused);
    } else {
      list.splice(at, 1);
      this.#pooled -= refused.capacity;
      this.#buffers--;
    }
    this.#onRefusal(refused.capacity);
  }
}

function sizeClass(bytes: number): number {
  const needed = Math.max(256, Math.ceil(bytes / 256) * 256);
  if (needed <= 4096) return needed;
  const step = 2 ** (Math.floor(Math.log2(needed - 1)) - 4);
  return Math.ceil(needed / step) * step;
}
