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
  /** The largest `live` so far. */
  readonly peak: number;
  /** Number of buffers, live and pooled. */
  readonly buffers: number;
}

/** WebGPU's usage flags are fixed numbers; naming them here spares the library the global `GPUBufferUsage`. */
export const BufferUsage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;

/**
 * Buffers by size class: multiples of 256 bytes up to 4 KiB, then four classes to the octave. A released buffer is kept
 * and handed out again, so a step that repeats allocates nothing; commands run in the order they were recorded, which
 * makes reuse within one command encoder safe.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, PooledBuffer[]>();
  readonly #onCreate: () => void;
  #live = 0;
  #pooled = 0;
  #peak = 0;
  #buffers = 0;

  constructor(device: GPUDevice, onCreate: () => void) {
    this.#device = device;
    this.#onCreate = onCreate;
  }

  acquire(bytes: number): PooledBuffer {
    const limit = Math.min(this.#device.limits.maxBufferSize, this.#device.limits.maxStorageBufferBindingSize);
    if (bytes > limit) {
      throw new LimitError(
        `a tensor of ${bytes} bytes is over this adapter's limit of ${limit} bytes to a storage buffer; use smaller batches`,
      );
    }
    const capacity = Math.min(sizeClass(bytes), Math.floor(limit / 256) * 256 || limit);
    const reused = this.#free.get(capacity)?.pop();
    if (reused) {
      this.#pooled -= capacity;
    } else {
      this.#buffers++;
      this.#onCreate();
    }
    this.#live += capacity;
    this.#peak = Math.max(this.#peak, this.#live);
    return reused ?? { buffer: this.#create(capacity), capacity };
  }

  release(buffer: PooledBuffer): void {
    this.#live -= buffer.capacity;
    this.#pooled += buffer.capacity;
    const list = this.#free.get(buffer.capacity);
    if (list) list.push(buffer);
    else this.#free.set(buffer.capacity, [buffer]);
  }

  usage(): PoolUsage {
    return { live: this.#live, pooled: this.#pooled, peak: this.#peak, buffers: this.#buffers };
  }

  #create(size: number): GPUBuffer {
    return this.#device.createBuffer({
      size,
      usage: BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST,
    });
  }
}

function sizeClass(bytes: number): number {
  const needed = Math.max(256, Math.ceil(bytes / 256) * 256);
  if (needed <= 4096) return needed;
  const quarter = 2 ** (Math.floor(Math.log2(needed - 1)) - 2);
  return Math.ceil(needed / quarter) * quarter;
}
