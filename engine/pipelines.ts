import { KernelError } from './errors.js';
import type { Binding, BufferRange, Kernel } from './kernel.js';
import { specialise, type Constants } from './template.js';
import { real } from './virtual.js';

const COMPUTE_STAGE = 4;

/** Where kernels declare their uniform struct: after any storage buffers that they can have. */
const UNIFORM_BINDING = 31;

/** Bytes of one dispatch's uniform block; WebGPU's offsets are multiples of 256 on most adapters. */
export const UNIFORM_BLOCK = 256;

/**
 * Bind groups in a generation: more than the largest training step uses. Work of ever new shapes makes new ones without end, and
 * drivers hold only so many (lavapipe breaks at 65,536).
 */
const GENERATION = 8192;

/**
 * Bytes that are allocated, and never touched, for each bind group. Garbage collectors do not know what a bind group is to the driver, and
 * would leave tens of thousands that are forgotten; memory they count.
 */
const WEIGHT = 4096;

/** A compiled specialisation of a kernel. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly storageLayout: GPUBindGroupLayout;
  /** Distinguishes storage layouts in the bind-group cache. */
  readonly layoutKey: string;
}

/**
 * Compiled pipelines and bind groups, each made once. Layouts are explicit and shared by signature, so that bind groups
 * fit every pipeline with the same bindings; the uniform block is bound at a dynamic offset.
 */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #onPipeline: () => void;
  readonly #onBindGroup: () => void;
  readonly #pipelines = new Map<Kernel, Map<string, Pipeline>>();
  readonly #layouts = new Map<string, { storage: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  /** Bind groups in two generations, so that only what has been used lately is kept. */
  #bindGroups = new Map<string, GPUBindGroup>();
  #olderBindGroups = new Map<string, GPUBindGroup>();
  readonly #weights = new WeakMap<GPUBindGroup, ArrayBuffer>();
  readonly #bufferIds = new WeakMap<GPUBuffer, number>();
  readonly #modules: { readonly label: string; readonly module: GPUShaderModule }[] = [];
  #nextBufferId = 0;

  constructor(device: GPUDevice, onPipeline: () => void, onBindGroup: () => void) {
    this.#device = device;
    this.#onPipeline = onPipeline;
    this.#onBindGroup = onBindGroup;
  }

  pipeline(kernel: Kernel, constants: Constants = {}): Pipeline {
    const key = JSON.stringify(constants);
    let variants = this.#pipelines.get(kernel);
    if (!variants) this.#pipelines.set(kernel, (variants = new Map<string, Pipeline>()));
    let found = variants.get(key);
    if (!found) variants.set(key, (found = this.#compile(kernel, constants)));
    return found;
  }

  /** The group of a dispatch's buffers, with `uniforms` to be bound at a dynamic offset. */
  bindGroup(pipeline: Pipeline, buffers: readonly BufferRange[], uniforms: GPUBuffer): GPUBindGroup {
    let key = `${pipeline.layoutKey}${this.#idOf(uniforms)}`;
    const resources = buffers.map(({ buffer, offset, size }) => ({ buffer: real(buffer), offset, size }));
    for (const { buffer, offset, size } of resources) key += `|${this.#idOf(buffer)},${offset},${size}`;
    let group = this.#bindGroups.get(key);
    if (group) return group;
    group = this.#olderBindGroups.get(key);
    if (!group) {
      this.#onBindGroup();
      group = this.#device.createBindGroup({
        layout: pipeline.storageLayout,
        entries: [
          ...resources.map((resource, binding) => ({ binding, resource })),
          { binding: UNIFORM_BINDING, resource: { buffer: uniforms, offset: 0, size: UNIFORM_BLOCK } },
        ],
      });
      this.#weights.set(group, new ArrayBuffer(WEIGHT));
    }
    if (this.#bindGroups.size === GENERATION) {
      this.#olderBindGroups = this.#bindGroups;
      this.#bindGroups = new Map();
    }
    this.#bindGroups.set(key, group);
    return group;
  }

  /** Everything the WGSL compiler had to say about the kernels so far, warnings included. */
  async messages(): Promise<string[]> {
    const infos = await Promise.all(
      this.#modules.map(async ({ label, module }) => {
        const { messages } = await module.getCompilationInfo();
        return messages.map(({ type, lineNum, message }) => `${label}, line ${lineNum}: ${type}: ${message}`);
      }),
    );
    return infos.flat();
  }

  #idOf(buffer: GPUBuffer): number {
    let id = this.#bufferIds.get(buffer);
    if (id === undefined) this.#bufferIds.set(buffer, (id = this.#nextBufferId++));
    return id;
  }

  #compile(kernel: Kernel, constants: Constants): Pipeline {
    this.#onPipeline();
    const code = specialise(kernel.name, kernel.source, constants);
    const layout = this.#layout(kernel.bindings);
    const label = `${kernel.name} ${JSON.stringify(constants)}`;
    try {
      const module = this.#device.createShaderModule({ code, label });
      this.#modules.push({ label, module });
      const pipeline = this.#device.createComputePipeline({
        layout: layout.pipeline,
        compute: { module, entryPoint: 'main' },
        label,
      });
      return { pipeline, storageLayout: layout.storage, layoutKey: kernel.bindings.join('') };
    } catch (cause) {
      throw new KernelError(`${label}: ${String(cause)}`, { cause });
    }
  }

  #layout(bindings: readonly Binding[]): { storage: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const key = bindings.join('');
    let layout = this.#layouts.get(key);
    if (!layout) {
      const storage = this.#device.createBindGroupLayout({
        entries: [
          ...bindings.map((access, binding): GPUBindGroupLayoutEntry => ({
            binding,
            visibility: COMPUTE_STAGE,
            buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
          })),
          {
            binding: UNIFORM_BINDING,
            visibility: COMPUTE_STAGE,
            buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: 0 },
          },
        ],
      });
      const pipeline = this.#device.createPipelineLayout({ bindGroupLayouts: [storage] });
      this.#layouts.set(key, (layout = { storage, pipeline }));
    }
    return layout;
  }
}
