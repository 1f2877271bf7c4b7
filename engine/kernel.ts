import { float } from './dtype.js';
import type { Constants } from './template.js';
import type { BufferHandle } from './virtual.js';

/** How a kernel uses a storage buffer: `read` is `var<storage, read>`, `write` is `var<storage, read_write>`. */
export type Binding = 'read' | 'write';

/**
 * A compute kernel: one WGSL file. Storage buffers are `@group(0) @binding(i)` in the order of `bindings`; a kernel whose
 * sizes vary declares one uniform struct at `@group(0) @binding(31)`; the entry point is `main`.
 */
export interface Kernel {
  /** The file's name without `.wgsl`. */
  readonly name: string;
  /** The WGSL text, with the templating of `template.ts`. */
  readonly source: string;
  readonly bindings: readonly Binding[];
  /** For kernels that can pass what they store through a function: see {@link defineEpilogueKernel}. */
  readonly epilogue?: {
    /** The binding that is stored. */
    readonly output: number;
    /** The same kernel with one more binding, to be read at the places that are stored. */
    readonly masked: Kernel;
  };
}

/** A range of a GPU buffer. */
export interface BufferRange {
  readonly buffer: BufferHandle;
  /** In bytes, a multiple of 256. */
  readonly offset: number;
  /** In bytes, a multiple of 16. */
  readonly size: number;
}

/** A word of a uniform struct: fixed, or asked for in every run (see `Device.perRun`). */
export type Word = number | (() => number);

/** A number, or one that is asked for in every run: a setting that changes from call to call of a compiled function. */
export type Scalar = number | (() => number);

/** The uniform word of an f32. */
export function floatWord(value: Scalar): Word {
  return typeof value === 'function' ? () => float(value()) : float(value);
}

/** An argument of an elementwise function. */
export type ElementwiseArgument =
  /** The vector of four at the result's place, in the binding of this number. */
  | { readonly kind: 'vector'; readonly binding: number }
  /** The first element, four times over. */
  | { readonly kind: 'single'; readonly binding: number }
  /** One element to a channel: planes of so many vectors of four, so many channels. */
  | { readonly kind: 'channel'; readonly binding: number; readonly plane: number; readonly channels: number }
  /** A number, four times over. */
  | { readonly kind: 'scalar'; readonly word: Word }
  /** A number as it is. */
  | { readonly kind: 'attribute'; readonly word: Word };

/** How a dispatch makes its one result of f32 elements one by one: what can be fused with others of its kind. */
export interface ElementwiseCall {
  /** `op_<name>` in elementwise.wgsl. */
  readonly function: string;
  readonly arguments: readonly ElementwiseArgument[];
  /** Vectors of four elements in the result. */
  readonly vectors: number;
}

/** Everything a GPU does is one of these: a kernel, its buffers, its scalars, and how many workgroups run it. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** Specialise the kernel's text; each combination is a pipeline of its own, compiled once. */
  readonly constants?: Constants;
  /** One range per binding of the kernel. */
  readonly buffers: readonly BufferRange[];
  /** The words of the uniform struct, as u32; `float(x)` gives the bits of a float. At most 64. */
  readonly uniforms?: readonly Word[];
  /** Workgroups along x, y, z; each from 1 to 65,535. */
  readonly workgroups: readonly [number, number?, number?];
  /**
   * What it writes is all of its one output, and goes by nothing but its inputs and these fields: a compiled function that does the
   * same again, on inputs that have not changed, keeps the first result. `always` is for what is small and used often, such as
   * transformed weights; `settled` keeps it only where it comes of nothing but memory from before the function, such as parameters;
   * `spare`, only as long as all that is kept so takes little memory.
   */
  readonly reusable?: 'always' | 'settled' | 'spare';
  /** What it computes, where that is a function of f32 elements one by one. */
  readonly elementwise?: ElementwiseCall;
  /** Shown by profilers and in validation errors; the kernel's name by default. */
  readonly label?: string;
  /** Floating-point operations by the operation's definition, for profilers; where that is the measure of the work. */
  readonly flops?: number;
}

/** Declares a kernel. */
export function defineKernel(kernel: Kernel): Kernel {
  return kernel;
}

/**
 * Declares a kernel whose stores an elementwise function can be merged into. Its text goes by the constant EPILOGUE: `none`, `relu`, or
 * `reluGrad`, which reads the ReLU's result from one more binding, behind the others.
 */
export function defineEpilogueKernel(kernel: Kernel): Kernel {
  const masked: Kernel = { ...kernel, bindings: [...kernel.bindings, 'read'] };
  return { ...kernel, epilogue: { output: kernel.bindings.indexOf('write'), masked } };
}

/** Elements to an invocation on software adapters, where starting a workgroup costs more than what it does. */
const SOFTWARE_STRIDE = 8;

/**
 * Workgroups of 64 for a kernel whose invocations step over `count` elements by the number of all invocations: an element to each
 * on a GPU, several on a software adapter.
 */
export function strideWorkgroups(count: number, { software }: { readonly software: boolean }): [number, number] {
  return foldWorkgroups(Math.ceil(count / 64 / (software ? SOFTWARE_STRIDE : 1)));
}

/**
 * Workgroups for `count` workgroups in all, folded over x and y so that neither exceeds WebGPU's 65,535. The kernel reads
 * its linear number as `workgroup_id.y * num_workgroups.x + workgroup_id.x` and returns where that is past the end.
 */
export function foldWorkgroups(count: number): [number, number] {
  if (count <= 65_535) return [Math.max(1, count), 1];
  const rows = Math.ceil(count / 65_535);
  return [Math.ceil(count / rows), rows];
}
