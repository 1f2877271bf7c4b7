import { capturing, type Capture, type Command } from './capture.js';
import {
  CaptureError,
  DeviceLostError,
  KernelError,
  LimitError,
  NoAdapterError,
  OutOfMemoryError,
  type BulwarkError,
} from './errors.js';
import type { BufferRange, Dispatch } from './kernel.js';
import { PipelineCache } from './pipelines.js';
import { BufferPool, BufferUsage, type PoolUsage } from './pool.js';
import { Recorder, checkDispatch, type Counters, type PreparedRun } from './recorder.js';
import { ScopeStack } from './scope.js';
import { Storage, Tensor, paddedBytes } from './tensor.js';
import { sizeOf, type Shape } from './shape.js';
import { VariantTable } from './variants.js';
import type { DispatchTrace } from './timestamps.js';
import type { DType } from './dtype.js';

/** What kernels may use on this device. */
export interface Capabilities {
  /** Whether tensors can be f16. */
  readonly f16: boolean;
  /** Lanes of a subgroup where that number is fixed and the device has subgroups; otherwise 0. */
  readonly subgroupSize: number;
  /** Whether the adapter computes on the CPU. */
  readonly software: boolean;
  readonly vendor: string;
  readonly architecture: string;
  /** The adapter's own description, which names the driver where there is one. */
  readonly description: string;
}

/** Exact memory figures, in bytes. */
export interface MemoryUsage extends PoolUsage {
  /** Live tensors. */
  readonly tensors: number;
  /** `live` plus `pooled`: what the pool holds of the GPU's memory. */
  readonly total: number;
  /** `live` by what it is for: the label given to `Device.label`, or else the operation that made it. */
  readonly labels: Readonly<Record<string, number>>;
}

/**
 * A GPU and everything bulwark keeps on it: the recorder, the pipelines, the memory and the scopes. Nothing is global:
 * two devices live side by side.
 */
export class Device {
  /** Exact counts of what was done so far. */
  readonly counters: Counters = { dispatches: 0, submits: 0, buffers: 0, bindGroups: 0, pipelines: 0, readbacks: 0 };
  readonly caps: Capabilities;
  /**
   * `strict` keeps to kernels whose rounding is that of the plain sums: without Winograd's F(4x4, 3x3), which costs two or three bits.
   * `fast`, unless told, takes the fastest.
   */
  precision: 'fast' | 'strict' = 'fast';
  /** Which kernels compute what: see `tune`. */
  readonly variants = new VariantTable();
  /** Whether operations are recorded for differentiation; see `noGrad`. */
  gradEnabled = true;
  /** Sees what every operation computes, and how many products it adds up, while `detectAnomaly` or `summary` runs. */
  inspector: ((op: string, results: readonly (Tensor | undefined)[], macs: number) => void) | undefined;
  /** The WebGPU device underneath. */
  readonly gpu: GPUDevice;
  readonly #recorder: Recorder;
  readonly #pipelines: PipelineCache;
  readonly #pool: BufferPool;
  readonly #scopes = new ScopeStack();
  #capture: Capture | undefined;
  readonly #staging = new Map<number, GPUBuffer[]>();
  readonly #labels = new Map<string, number>();
  #label: string | undefined;
  #tensors = 0;
  #fault: BulwarkError | undefined;
  /** When it is known of every error so far what it was. */
  #judged: Promise<void> = Promise.resolve();

  private constructor(gpu: GPUDevice, info: GPUAdapterInfo) {
    this.gpu = gpu;
    this.caps = capabilitiesOf(gpu, info);
    this.#pool = new BufferPool(
      gpu,
      () => this.counters.buffers++,
      (bytes) => {
        const { live, pooled } = this.#pool.usage();
        this.#fault ??= new OutOfMemoryError(
          `the GPU has no memory for a buffer of ${bytes} bytes beside ${live - bytes} in use; use smaller batches, or free ` +
            `tensors sooner (${pooled} bytes kept for reuse were given back)`,
        );
        this.emptyCache();
      },
    );
    this.#pipelines = new PipelineCache(
      gpu,
      () => this.counters.pipelines++,
      () => this.counters.bindGroups++,
    );
    this.#recorder = new Recorder(gpu, this.#pipelines, this.counters);
    gpu.addEventListener('uncapturederror', (event) => {
      const { error } = event;
      event.preventDefault();
      const fault =
        error.constructor.name === 'GPUOutOfMemoryError'
          ? new OutOfMemoryError(`the GPU is out of memory: ${error.message}`)
          : new KernelError(error.message);
      // Where a buffer got no memory, that is the fault, and this follows from it.
      this.#judged = this.#pool.settled().then(() => {
        this.#fault ??= fault;
      });
    });
    void gpu.lost.then((info) => {
      this.#fault = new DeviceLostError(`the device is gone (${info.reason}): ${info.message || 'no reason given'}`);
    });
  }

  /**
   * Makes a device of an adapter, with the adapter's own limits and the optional features that kernels can use
   * (`shader-f16`, `subgroups`, `timestamp-query`).
   */
  static async create(adapter: GPUAdapter | null): Promise<Device> {
    if (!adapter) throw new NoAdapterError('no WebGPU adapter; a GPU driver or a browser with WebGPU is needed');
    const wanted: GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query'];
    const { limits } = adapter;
    const gpu = await adapter.requestDevice({
      requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        // Chains of elementwise operations fuse as far as this reaches.
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      },
    });
    return new Device(gpu, adapter.info);
  }

  /** Wraps an application's own `GPUDevice`. */
  static wrap(gpu: GPUDevice): Device {
    return new Device(gpu, gpu.adapterInfo);
  }

  /** Records a dispatch: it runs after everything recorded before it. */
  dispatch(dispatch: Dispatch): void {
    this.#throwFault();
    if (!this.#capture) {
      this.#recorder.dispatch(dispatch);
      return;
    }
    checkDispatch(this.gpu, dispatch);
    this.#capture.dispatch(dispatch);
  }

  /** Copies the first `bytes`, in whole words, of one range to another in a different buffer. */
  copy(from: BufferRange, to: BufferRange, bytes: number): void {
    if (this.#capture) this.#capture.copy(from, to, wholeWords(bytes));
    else this.#recorder.copy(from.buffer, from.offset, to.buffer, to.offset, wholeWords(bytes));
  }

  /** Sets a range to zero. */
  clear(range: BufferRange): void {
    (this.#capture ?? this.#recorder).clear(range);
  }

  /** Overwrites the start of a range with CPU data of a multiple of 4 bytes, in order with what was recorded. */
  write(range: BufferRange, data: ArrayBufferView<ArrayBuffer>): void {
    if (data.byteLength === 0) return;
    if (this.#capture) this.#capture.write(range, data);
    else this.#recorder.write(range.buffer, range.offset, data);
  }

  /** Submits what has been recorded. */
  flush(): void {
    this.#refuseCapture('waits for the GPU');
    this.#recorder.flush();
  }

  /** Submits, and waits until the GPU has done everything. Errors of the work so far surface here. */
  async sync(): Promise<void> {
    this.flush();
    await this.#waitFor(this.gpu.queue.onSubmittedWorkDone(), 'waiting for the GPU');
    await this.#throwFaultOfWork();
  }

  /** Reads the first `bytes` of a range back, after everything recorded so far. */
  async read(range: BufferRange, bytes: number): Promise<ArrayBuffer> {
    this.#refuseCapture('looks at the values of a tensor');
    this.#throwFault();
    const size = Math.max(16, 2 ** Math.ceil(Math.log2(bytes)));
    const staging = this.#staging.get(size)?.pop() ?? this.#createStaging(size);
    this.#recorder.copy(range.buffer, range.offset, staging, 0, wholeWords(bytes));
    this.flush();
    this.counters.readbacks++;
    await this.#waitFor(staging.mapAsync(1, 0, size), `reading ${bytes} bytes back`);
    const copy = staging.getMappedRange(0, size).slice(0, bytes);
    staging.unmap();
    const list = this.#staging.get(size);
    if (list) list.push(staging);
    else this.#staging.set(size, [staging]);
    await this.#throwFaultOfWork();
    return copy;
  }

  /** An uninitialised tensor in the innermost scope; `maker` is what `memory()` files it under where there is no label. */
  empty(shape: Shape, dtype: DType = 'f32', maker = 'other'): Tensor {
    if (dtype === 'f16' && !this.caps.f16) {
      throw new LimitError(`f16: this adapter (${this.caps.description}) has no shader-f16; use f32`);
    }
    const bytes = paddedBytes(sizeOf(shape), dtype);
    return new Tensor(this, shape, dtype, this.#capture?.storage(bytes) ?? this.#store(bytes, maker));
  }

  /**
   * `size` f32 elements, uninitialised, in the innermost scope, that may be more than a kernel can bind: kernels are to bind ranges of them.
   *
   * @throws LimitError where no buffer can be so large
   */
  emptyInParts(size: number): Tensor {
    const bytes = paddedBytes(size, 'f32');
    const storage = this.#capture?.storage(bytes) ?? this.#store(bytes, 'other', true);
    return new Tensor(this, [size], 'f32', storage);
  }

  /** Memory of the pool. */
  #store(bytes: number, maker: string, inParts = false): Storage {
    const buffer = this.#pool.acquire(bytes, inParts);
    const label = this.#label ?? maker;
    this.#labels.set(label, (this.#labels.get(label) ?? 0) + buffer.capacity);
    const release = (): void => {
      this.#pool.release(buffer);
      const left = (this.#labels.get(label) ?? 0) - buffer.capacity;
      if (left > 0) this.#labels.set(label, left);
      else this.#labels.delete(label);
    };
    return new Storage(buffer.buffer, release);
  }

  /** What is being captured, if anything is: see `compile`. */
  get capturing(): Capture | undefined {
    return this.#capture;
  }

  /** Runs the synchronous `fn`, and has everything that it asks the GPU to do written down instead. For `compile`. */
  capture<T>(capture: Capture, fn: () => T): T {
    const before = this.#capture;
    this.#capture = capture;
    try {
      return capturing(capture, fn);
    } finally {
      this.#capture = before;
    }
  }

  /**
   * A value that host code works out for every run of what is recorded with it: at once, or, in a compiled function, at the start
   * of each of its runs, in the order of these calls. `Word`s of a dispatch may ask for it.
   */
  perRun<T>(compute: () => T): () => T {
    if (this.#capture) return this.#capture.value(compute);
    const value = compute();
    return () => value;
  }

  /** Makes commands ready to run any number of times: compiles their kernels, binds their buffers. */
  prepare(commands: readonly Command[]): PreparedRun {
    return this.#recorder.prepare(commands);
  }

  /** Records a prepared run, after everything recorded before it. */
  replay(run: PreparedRun): void {
    this.#throwFault();
    this.#recorder.replay(run);
  }

  /** Frees what a prepared run has to itself. */
  retire(run: PreparedRun): void {
    this.#recorder.retire(run);
  }

  /** Gives a virtual storage memory of its own, for a tensor that outlives the function that was captured. */
  materialise(storage: Storage, bytes: number): void {
    storage.takePlaceOf(this.#store(bytes, 'kept by a compiled function'));
  }

  /** Runs the synchronous `fn`; `memory()` files the tensors made meanwhile under `label`. Inner labels win. */
  label<T>(label: string, fn: () => T): T {
    const before = this.#label;
    this.#label = label;
    try {
      return fn();
    } finally {
      this.#label = before;
    }
  }

  /**
   * Runs `fn`, sync or async, and frees every tensor made in it when it ends or throws, but for those it returns (alone,
   * or in arrays, maps and plain objects), which go to the scope around it, and those that were `keep`-ed. Async scopes
   * of one device must not interleave.
   */
  scope<T>(fn: () => T): T {
    return this.#scopes.run(fn);
  }

  /** Gives the memory that is kept for reuse back to the GPU: to make room for something else, such as another process. */
  emptyCache(): void {
    this.flush();
    this.#pool.empty();
  }

  /** Bytes and counts of what is on the GPU now, exact. */
  memory(): MemoryUsage {
    const usage = this.#pool.usage();
    return {
      ...usage,
      tensors: this.#tensors,
      total: usage.live + usage.pooled,
      labels: Object.fromEntries(this.#labels),
    };
  }

  /** What a tensor of so many bytes adds to `memory()`; a `LimitError` where no buffer can have so many. */
  capacityOf(bytes: number): number {
    return this.#pool.capacityOf(bytes);
  }

  /** Counts the peak of `memory()` from now on. */
  resetPeakMemory(): void {
    this.#pool.resetPeak();
  }

  /** What the WGSL compiler said about the kernels compiled so far, warnings included; empty when all is well. */
  kernelMessages(): Promise<string[]> {
    return this.#pipelines.messages();
  }

  /** Frees everything; whatever is in flight fails with a `DeviceLostError`. */
  destroy(): void {
    this.gpu.destroy();
  }

  /** Measures every dispatch from now on; the function that it returns ends that and gives what was measured. See `profile`. */
  trace(): () => Promise<DispatchTrace[]> {
    const stop = this.#recorder.trace();
    return () => this.#waitFor(stop(), 'reading timestamps back');
  }

  /** Shows the results of an operation to whoever inspects them, with the products that it adds up. */
  inspect(op: string, results: readonly (Tensor | undefined)[], macs = 0): void {
    this.inspector?.(op, results, macs);
  }

  /** Called by every new tensor. */
  adopt(tensor: Tensor): void {
    this.#tensors++;
    const scope = this.#scopes.innermost;
    tensor.scope = scope;
    scope?.tensors.add(tensor);
  }

  /** Called by every tensor that is freed. */
  disown(): void {
    this.#tensors--;
  }

  #createStaging(size: number): GPUBuffer {
    this.counters.buffers++;
    return this.gpu.createBuffer({ size, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST });
  }

  #refuseCapture(what: string): void {
    if (!this.#capture) return;
    throw new CaptureError(
      `compile: the function ${what}, so what it does next could depend on it; return the tensor, and look at it outside`,
    );
  }

  /** Awaits what the GPU fails to do only where it is lost, whatever the words for it, and before the loss is told by itself. */
  async #waitFor<T>(done: Promise<T>, what: string): Promise<T> {
    try {
      return await done;
    } catch (cause) {
      this.#throwFault();
      throw new DeviceLostError(`${what} failed: ${String(cause)}`, { cause });
    }
  }

  /** Throws what went wrong with work that is over. */
  async #throwFaultOfWork(): Promise<void> {
    await this.#pool.settled();
    await this.#judged;
    this.#throwFault();
  }

  #throwFault(): void {
    if (!this.#fault) return;
    const fault = this.#fault;
    if (!(fault instanceof DeviceLostError)) this.#fault = undefined;
    throw fault;
  }
}

/** WebGPU copies multiples of 4 bytes; ranges are padded to multiples of 16. */
function wholeWords(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function capabilitiesOf(gpu: GPUDevice, info: GPUAdapterInfo): Capabilities {
  const { subgroupMinSize, subgroupMaxSize } = info;
  const fixed = gpu.features.has('subgroups') && subgroupMinSize === subgroupMaxSize;
  return {
    f16: gpu.features.has('shader-f16'),
    subgroupSize: fixed ? subgroupMinSize : 0,
    software: info.isFallbackAdapter || info.architecture === 'swiftshader' || info.architecture === 'software',
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description,
  };
}
