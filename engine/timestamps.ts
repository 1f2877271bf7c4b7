import type { Dispatch } from './kernel.js';
import { BufferUsage } from './pool.js';

/** One dispatch as a profile shows it. */
export interface DispatchTrace {
  readonly label: string;
  /** The kernel's file, without `.wgsl`. */
  readonly kernel: string;
  readonly workgroups: readonly [number, number, number];
  /** Bytes of all ranges bound. */
  readonly bytes: number;
  /** Floating-point operations, 0 where the kernel does not say. */
  readonly flops: number;
  /** In milliseconds from the first dispatch; undefined without timestamps, like the next. */
  readonly start: number | undefined;
  readonly milliseconds: number | undefined;
}

/** Queries that a set may hold by WebGPU's limits, two of them to a dispatch. */
const QUERIES = 4096;

const QUERY_RESOLVE = 512;

/** Measures dispatches by timestamps where the device has them; where not, it takes note of them without times. */
export class Timestamps {
  readonly #device: GPUDevice;
  readonly #dispatches: Dispatch[] = [];
  readonly #sets: GPUQuerySet[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Takes note of a dispatch; what its pass is to write, if the device has timestamps. */
  next(dispatch: Dispatch): GPUComputePassTimestampWrites | undefined {
    const query = (2 * this.#dispatches.length) % QUERIES;
    this.#dispatches.push(dispatch);
    if (!this.#device.features.has('timestamp-query')) return undefined;
    if (query === 0) this.#sets.push(this.#device.createQuerySet({ type: 'timestamp', count: QUERIES }));
    const querySet = this.#sets.at(-1);
    return querySet && { querySet, beginningOfPassWriteIndex: query, endOfPassWriteIndex: query + 1 };
  }

  /** Everything noted so far, which has to be submitted. Frees the queries. */
  async read(): Promise<DispatchTrace[]> {
    const times = (await Promise.all(this.#sets.map((set) => this.#resolve(set)))).flatMap((set) => [...set]);
    const first = times[0] ?? 0n;
    const since = (index: number): number | undefined => {
      const time = times[index];
      return time === undefined ? undefined : Number(time - first) / 1e6;
    };
    return this.#dispatches.map(({ kernel, label, buffers, workgroups: [x, y = 1, z = 1], flops = 0 }, index) => {
      const [start, end] = [since(2 * index), since(2 * index + 1)];
      return {
        label: label ?? kernel.name,
        kernel: kernel.name,
        workgroups: [x, y, z],
        bytes: buffers.reduce((total, { size }) => total + size, 0),
        flops,
        start,
        milliseconds: start === undefined || end === undefined ? undefined : Math.max(0, end - start),
      };
    });
  }

  async #resolve(set: GPUQuerySet): Promise<BigUint64Array> {
    const size = 8 * QUERIES;
    const resolved = this.#device.createBuffer({ size, usage: QUERY_RESOLVE | BufferUsage.COPY_SRC });
    const staging = this.#device.createBuffer({ size, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
    const encoder = this.#device.createCommandEncoder();
    encoder.resolveQuerySet(set, 0, QUERIES, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(1);
      return new BigUint64Array(staging.getMappedRange().slice(0));
    } finally {
      for (const made of [resolved, staging, set]) made.destroy();
    }
  }
}
