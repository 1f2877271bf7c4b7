import { KernelError, LimitError } from './errors.js';
import type { BufferRange, Dispatch, Word } from './kernel.js';
import { UNIFORM_BLOCK, type PipelineCache } from './pipelines.js';
import type { Command } from './capture.js';
import { Timestamps, type DispatchTrace } from './timestamps.js';
import { BufferUsage } from './pool.js';
import { real, type BufferHandle } from './virtual.js';

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

/** A command with everything looked up. */
type PreparedStep =
  | {
      readonly kind: 'dispatch';
      readonly dispatch: Dispatch;
      readonly pipeline: GPUComputePipeline;
      readonly group: GPUBindGroup;
      /** Of its uniform block, in bytes; the one element. A list: Dawn takes it faster than a typed array. */
      readonly offset: readonly [number];
      readonly x: number;
      readonly y: number;
      readonly z: number;
    }
  | {
      readonly kind: 'copy';
      readonly from: GPUBuffer;
      readonly fromOffset: number;
      readonly to: GPUBuffer;
      readonly toOffset: number;
      readonly bytes: number;
    }
  | { readonly kind: 'clear'; readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };

/** A word that every run asks for, and its place. */
interface DynamicWord {
  readonly at: number;
  readonly word: () => number;
}

/** Commands that run any number of times, with no lookup, no check and nothing made. */
export interface PreparedRun {
  readonly steps: readonly PreparedStep[];
  /** What the uniform blocks hold. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly uniforms: GPUBuffer;
  /** In the order of their places. */
  readonly dynamic: readonly DynamicWord[];
  readonly touched: readonly GPUBuffer[];
}

/** Fills in the words that are the same in every run; gives the others. */
function fillWords(words: Uint32Array, steps: readonly PreparedStep[]): DynamicWord[] {
  return steps.flatMap((step) => {
    if (step.kind !== 'dispatch') return [];
    const start = step.offset[0] / 4;
    return (step.dispatch.uniforms ?? []).flatMap((word, index) => {
      const at = start + index;
      if (typeof word === 'function') return [{ at, word }];
      words[at] = word;
      return [];
    });
  });
}

/** Throws unless the dispatch has the kernel's bindings, and no more workgroups and words than there can be. */
export function checkDispatch({ limits }: GPUDevice, { kernel, buffers, uniforms = [], workgroups }: Dispatch): void {
  const [x, y = 1, z = 1] = workgroups;
  const limit = limits.maxComputeWorkgroupsPerDimension;
  if (!(x >= 1 && y >= 1 && z >= 1 && x <= limit && y <= limit && z <= limit)) {
    throw new LimitError(`${kernel.name}: ${x} x ${y} x ${z} workgroups; each must be from 1 to ${limit}`);
  }
  if (buffers.length !== kernel.bindings.length || uniforms.length * 4 > UNIFORM_BLOCK) {
    throw new KernelError(
      `${kernel.name}: ${buffers.length} buffers and ${uniforms.length} uniform words; ` +
        `expected ${kernel.bindings.length} buffers and at most ${UNIFORM_BLOCK / 4} words`,
    );
  }
}

/** Writes a dispatch's words at `start`. */
export function writeWords(into: Uint32Array, start: number, words: readonly Word[]): void {
  words.forEach((word, index) => {
    into[start + index] = typeof word === 'number' ? word : word();
  });
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
  }

  dispatch(dispatch: Dispatch): void {
    const { kernel, buffers, uniforms = [], workgroups } = dispatch;
    const [x, y = 1, z = 1] = workgroups;
    checkDispatch(this.#device, dispatch);
    const pipeline = this.#cache.pipeline(kernel, dispatch.constants);
    const group = this.#cache.bindGroup(pipeline, buffers, this.#arena);
    const blocks = Math.max(1, Math.ceil((uniforms.length * 4) / this.#stride));
    if (this.#blocks + blocks > BLOCKS_PER_SUBMIT) this.flush();
    const offset = this.#blocks * this.#stride;
    writeWords(this.#words, offset / 4, uniforms);
    this.#blocks += blocks;

    const pass = this.#openPass(this.#timestamps?.next(dispatch));
    if (this.#lastPipeline !== pipeline.pipeline) {
      pass.setPipeline(pipeline.pipeline);
      this.#lastPipeline = pipeline.pipeline;
    }
    pass.setBindGroup(0, group, [offset]);
    pass.dispatchWorkgroups(x, y, z);
    this.#counters.dispatches++;
    for (const range of buffers) this.#touched.add(real(range.buffer));
    if (this.#timestamps) this.#closePass();
  }

  /** Copies `bytes` (a multiple of 4) between two different buffers. */
  copy(from: BufferHandle, fromOffset: number, to: BufferHandle, toOffset: number, bytes: number): void {
    this.#closePass();
    this.#openEncoder().copyBufferToBuffer(real(from), fromOffset, real(to), toOffset, bytes);
    this.#touched.add(real(from)).add(real(to));
  }

  /** Sets a range to zero. */
  clear(range: BufferRange): void {
    this.#closePass();
    this.#openEncoder().clearBuffer(real(range.buffer), range.offset, range.size);
    this.#touched.add(real(range.buffer));
  }

  /**
   * Writes CPU data into a buffer. The queue does this at once, ahead of the open encoder, so where that encoder already
   * uses the buffer it is submitted first.
   */
  write(buffer: BufferHandle, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    if (this.#touched.has(real(buffer))) this.flush();
    this.#device.queue.writeBuffer(real(buffer), offset, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Makes commands on buffers that are there ready to run any number of times. */
  prepare(commands: readonly Command[]): PreparedRun {
    const touched = new Set<GPUBuffer>();
    const blocksOf = ({ uniforms: words = [] }: Dispatch): number =>
      Math.max(1, Math.ceil((words.length * 4) / this.#stride));
    const all = commands.reduce((sum, each) => sum + (each.kind === 'dispatch' ? blocksOf(each.dispatch) : 0), 0);
    const words = new Uint32Array((all * this.#stride + UNIFORM_BLOCK) / 4);
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    const uniforms = this.#device.createBuffer({ size: words.byteLength, usage });
    this.#counters.buffers++;
    let blocks = 0;
    const steps = commands.map((command): PreparedStep => {
      switch (command.kind) {
        case 'dispatch': {
          const { dispatch } = command;
          const [x, y = 1, z = 1] = dispatch.workgroups;
          const pipeline = this.#cache.pipeline(dispatch.kernel, dispatch.constants);
          const group = this.#cache.bindGroup(pipeline, dispatch.buffers, uniforms);
          for (const { buffer } of dispatch.buffers) touched.add(real(buffer));
          const offset = [blocks * this.#stride] as const;
          blocks += blocksOf(dispatch);
          return { kind: 'dispatch', dispatch, pipeline: pipeline.pipeline, group, offset, x, y, z };
        }
        case 'copy': {
          const [from, to] = [real(command.from.buffer), real(command.to.buffer)];
          touched.add(from).add(to);
          const { bytes } = command;
          return { kind: 'copy', from, fromOffset: command.from.offset, to, toOffset: command.to.offset, bytes };
        }
        case 'clear': {
          const { offset, size } = command.range;
          const buffer = real(command.range.buffer);
          touched.add(buffer);
          return { kind: 'clear', buffer, offset, size };
        }
        default:
          return command satisfies never;
      }
    });
    const dynamic = fillWords(words, steps);
    this.#device.queue.writeBuffer(uniforms, 0, words);
    return { steps, words, uniforms, dynamic, touched: [...touched, uniforms] };
  }

  /** Does what was prepared, after everything recorded before. */
  replay({ steps, words, uniforms, dynamic, touched }: PreparedRun): void {
    const [first, last] = [dynamic[0], dynamic.at(-1)];
    if (first && last) {
      for (const { at, word } of dynamic) words[at] = word();
      // Submits an earlier run of the same that is still open, and would see the new words.
      this.write(uniforms, 4 * first.at, words.subarray(first.at, last.at + 1));
    }
    for (const step of steps) {
      switch (step.kind) {
        case 'dispatch': {
          const pass = this.#openPass(this.#timestamps?.next(step.dispatch));
          if (this.#lastPipeline !== step.pipeline) {
            pass.setPipeline(step.pipeline);
            this.#lastPipeline = step.pipeline;
          }
          pass.setBindGroup(0, step.group, step.offset);
          pass.dispatchWorkgroups(step.x, step.y, step.z);
          this.#counters.dispatches++;
          if (this.#timestamps) this.#closePass();
          break;
        }
        case 'copy':
          this.#closePass();
          this.#openEncoder().copyBufferToBuffer(step.from, step.fromOffset, step.to, step.toOffset, step.bytes);
          break;
        case 'clear':
          this.#closePass();
          this.#openEncoder().clearBuffer(step.buffer, step.offset, step.size);
          break;
        default:
          step satisfies never;
      }
    }
    for (const buffer of touched) this.#touched.add(buffer);
  }

  /** Frees a prepared run's uniforms, once what was recorded with them is submitted. */
  retire({ uniforms }: PreparedRun): void {
    if (this.#touched.has(uniforms)) this.flush();
    uniforms.destroy();
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
