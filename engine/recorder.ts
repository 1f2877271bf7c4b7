import { KernelError, LimitError } from './errors.js';
import type { BufferRange, Dispatch } from './kernel.js';
import { UNIFORM_BLOCK, type PipelineCache } from './pipelines.js';
import { Timestamps, type DispatchTrace } from './timestamps.js';
import { BufferUsage } from './pool.js';

/** Exact counts since the device was made. */
export interface Counters {
  dispatches: number;
  submits: number;
  /** Buffers created, of any kind. */
  buffers: number;
  bindGroups: number;
  pipelines: number;
  readbacks: number;
}

/** Uniform blocks that one submit can hold: as many dispatches are recorded before the recorder submits by itself. */
const BLOCKS_PER_SUBMIT = 8192;

/**
 * The eager recorder: every dispatch goes into the open command encoder, which is submitted by `flush`, by a read-back,
 * or when the uniform arena is full. Nothing else talks to the queue.
 */
export class Recorder {
  readonly #device: GPUDevice;
  readonly #cache: PipelineCache;
  readonly #counters: Counters;
  readonly #stride: number;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #arena: GPUBuffer;
  readonly #uniformGroup: GPUBindGroup;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #blocks = 0;
  #timestamps: Timestamps | undefined;
  #lastPipeline: GPUComputePipeline | undefined;
  /** Buffers that the open encoder touches: writing to one from the CPU has to wait for a flush. */
  readonly #touched = new Set<GPUBuffer>();

  constructor(device: GPUDevice, cache: PipelineCache, counters: Counters) {
    this.#device = device;
    this.#cache = cache;
    this.#counters = counters;
    this.#stride = Math.max(device.limits.minUniformBufferOffsetAlignment, 64);
    const bytes = BLOCKS_PER_SUBMIT * this.#stride + UNIFORM_BLOCK;
    this.#words = new Uint32Array(bytes / 4);
    this.#arena = device.createBuffer({ size: bytes, usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST });
    counters.buffers++;
    this.#uniformGroup = device.createBindGroup({
      layout: cache.uniformLayout,
      entries: [{ binding: 0, resource: { buffer: this.#arena, offset: 0, size: UNIFORM_BLOCK } }],
    });
  }

  dispatch(dispatch: Dispatch): void {
    const { kernel, buffers, uniforms = [], workgroups } = dispatch;
    const [x, y = 1, z = 1] = workgroups;
    const limit = this.#device.limits.maxComputeWorkgroupsPerDimension;
    if (!(x >= 1 && y >= 1 && z >= 1 && x <= limit && y <= limit && z <= limit)) {
      throw new LimitError(`${kernel.name}: ${x} x ${y} x ${z} workgroups; each must be from 1 to ${limit}`);
    }
    if (buffers.length !== kernel.bindings.length || uniforms.length * 4 > UNIFORM_BLOCK) {
      throw new KernelError(
        `${kernel.name}: ${buffers.length} buffers and ${uniforms.length} uniform words; ` +
          `expected ${kernel.bindings.length} buffers and at most ${UNIFORM_BLOCK / 4} words`,
      );
    }
    const pipeline = this.#cache.pipeline(kernel, dispatch.constants);
    const group = this.#cache.bindGroup(pipeline, buffers);
    const blocks = Math.max(1, Math.ceil((uniforms.length * 4) / this.#stride));
    if (this.#blocks + blocks > BLOCKS_PER_SUBMIT) this.flush();
    const offset = this.#blocks * this.#stride;
    this.#words.set(uniforms, offset / 4);
    this.#blocks += blocks;

    const pass = this.#openPass(this.#timestamps?.next(dispatch));
    if (this.#lastPipeline !== pipeline.pipeline) {
      pass.setPipeline(pipeline.pipeline);
      this.#lastPipeline = pipeline.pipeline;
    }
    pass.setBindGroup(0, group);
    pass.setBindGroup(1, this.#uniformGroup, [offset]);
    pass.dispatchWorkgroups(x, y, z);
    this.#counters.dispatches++;
    for (const range of buffers) this.#touched.add(range.buffer);
    if (this.#timestamps) this.#closePass();
  }

  /** Copies `bytes` (a multiple of 4) between two different buffers. */
  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.#closePass();
    this.#openEncoder().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
    this.#touched.add(from).add(to);
  }

  /** Sets a range to zero. */
  clear(range: BufferRange): void {
    this.#closePass();
    this.#openEncoder().clearBuffer(range.buffer, range.offset, range.size);
    this.#touched.add(range.buffer);
  }

  /**
   * Writes CPU data into a buffer. The queue does this at once, ahead of the open encoder, so where that encoder already
   * uses the buffer it is submitted first.
   */
  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    if (this.#touched.has(buffer)) this.flush();
    this.#device.queue.writeBuffer(buffer, offset, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Submits what has been recorded; does nothing when that is nothing. */
  flush(): void {
    if (!this.#encoder) return;
    this.#closePass();
    if (this.#blocks > 0) {
      this.#device.queue.writeBuffer(this.#arena, 0, this.#words, 0, (this.#blocks * this.#stride) / 4);
    }
    this.#device.queue.submit([this.#encoder.finish()]);
    this.#counters.submits++;
    this.#encoder = undefined;
    this.#blocks = 0;
    this.#touched.clear();
  }

  /** Measures every dispatch from now on, until the function that it returns is called. */
  trace(): () => Promise<DispatchTrace[]> {
    this.#closePass();
    const timestamps = new Timestamps(this.#device);
    this.#timestamps = timestamps;
    return () => {
      this.flush();
      this.#timestamps = undefined;
      return timestamps.read();
    };
  }

  #openEncoder(): GPUCommandEncoder {
    return (this.#encoder ??= this.#device.createCommandEncoder());
  }

  #openPass(timestampWrites?: GPUComputePassTimestampWrites): GPUComputePassEncoder {
    return (this.#pass ??= this.#openEncoder().beginComputePass(timestampWrites && { timestampWrites }));
  }

  #closePass(): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#lastPipeline = undefined;
  }
}
