import type { GraphNode } from './autograd.js';
import type { Device } from './device.js';
import { bytesPerElement, decode, isFloat, type DType, type TensorData, type TypedArrayOf } from './dtype.js';
import { DTypeError, FreedTensorError, GradError, ShapeError } from './errors.js';
import type { BufferRange } from './kernel.js';
import type { Scope } from './scope.js';
import { formatShape, sizeOf, type Shape } from './shape.js';
import type { BufferHandle } from './virtual.js';

/** A buffer and how many tensors share it. */
export class Storage {
  /** Goes up with every change of the values after they were first computed. */
  version = 0;
  #references = 1;
  #buffer: BufferHandle;
  #release: () => void;

  constructor(buffer: BufferHandle, release: () => void) {
    this.#buffer = buffer;
    this.#release = release;
  }

  /** Where the values are. */
  get buffer(): BufferHandle {
    return this.#buffer;
  }

  /** Moves into the memory of another storage, which nothing else holds. */
  takePlaceOf(other: Storage): void {
    this.#buffer = other.#buffer;
    this.#release = other.#release;
  }

  retain(): this {
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references === 0) this.#release();
  }
}

/** Sees the gradient of a tensor, `[...shape]`, and may give another of that shape in its place. */
export type GradHook = (gradient: Tensor) => Tensor | undefined;

let lastId = 0;

/** The `id` of the newest tensor. */
export function latestTensorId(): number {
  return lastId;
}

/** The method that Node.js's `console.log` and `util.inspect` ask for; a symbol of the registry, so nothing is imported for it. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** Nested arrays of numbers, as `toArray` gives them. */
export type NestedArray = number | NestedArray[];

/**
 * A contiguous array on the GPU. It belongs to the innermost scope that was open when it was made and is freed when that
 * scope ends, unless it was returned from it or kept; `dispose` frees it sooner. Values leave the GPU by `data`, `item`
 * and `toArray`, always asynchronously.
 */
export class Tensor {
  readonly device: Device;
  /** Increases in the order of creation. */
  readonly id = ++lastId;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  /** Where differentiation ends: gradients are computed with respect to this tensor. */
  requiresGrad = false;
  /** Accumulated by `backward`, for leaves that require gradients. */
  grad: Tensor | null = null;
  /** How this tensor was computed, when that is recorded. */
  node: GraphNode | undefined;
  /** The scope that frees it. */
  scope: Scope | undefined;
  /** What {@link registerHook} registered, in that order. */
  readonly hooks = new Set<GradHook>();
  #storage: Storage;
  #offset: number;
  #freed = false;

  /** Use the factories (`tensor`, `zeros`, ...); this takes ownership of one reference to `storage`. */
  constructor(device: Device, shape: Shape, dtype: DType, storage: Storage, offset = 0) {
    this.device = device;
    this.shape = shape;
    this.dtype = dtype;
    this.size = sizeOf(shape);
    this.#storage = storage;
    this.#offset = offset;
    device.adopt(this);
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Bytes of its elements, without padding. */
  get bytes(): number {
    return this.size * bytesPerElement(this.dtype);
  }

  /** Whether it was disposed of. */
  get freed(): boolean {
    return this.#freed;
  }

  /** Whether operations on it are recorded for differentiation. */
  get tracksGrad(): boolean {
    return this.requiresGrad || this.node !== undefined;
  }

  /** Goes up with every change of the values in place: what was recorded with an older version cannot be differentiated. */
  get version(): number {
    return this.#storage.version;
  }

  /** To be called by whatever overwrites the values, or those of a tensor that shares its memory. */
  markWritten(): void {
    this.#storage.version++;
  }

  /**
   * Calls `hook` in every backward pass that computes this tensor's gradient, once that is complete; what the hook returns, if
   * anything, goes on in its place. Returns a function that removes it. Hooks run with the recording state of the pass.
   */
  registerHook(hook: GradHook): () => void {
    if (!this.tracksGrad) {
      throw new GradError(
        `registerHook: this ${this.dtype} tensor of shape ${formatShape(this.shape)} takes part in no differentiation; ` +
          'call requireGrad() first',
      );
    }
    this.hooks.add(hook);
    return () => void this.hooks.delete(hook);
  }

  /** The part of a GPU buffer that holds it, padded to a multiple of 16 bytes. */
  get range(): BufferRange {
    this.assertAlive('range');
    this.device.capturing?.use(this, this.#storage);
    return { buffer: this.#storage.buffer, offset: this.#offset, size: paddedBytes(this.size, this.dtype) };
  }

  /** Whether it lives, in this memory. */
  isIn(storage: Storage): boolean {
    return !this.#freed && this.#storage === storage;
  }

  /** Throws a `FreedTensorError` if the tensor is gone. */
  assertAlive(op: string): void {
    if (this.#freed) {
      throw new FreedTensorError(
        `${op}: this ${this.dtype} tensor of shape ${formatShape(this.shape)} was freed; ` +
          'return it from its scope or keep() it',
      );
    }
  }

  /** The values, row-major. Waits for the GPU. */
  async data(): Promise<TensorData> {
    this.assertAlive('data');
    if (this.size === 0) return decode(this.dtype, new ArrayBuffer(0));
    return decode(this.dtype, await this.device.read(this.range, this.bytes));
  }

  /** The values of an f32 or f16 tensor; throws for other dtypes. */
  async floats(): Promise<TypedArrayOf['f32']> {
    const data = await this.data();
    if (!(data instanceof Float32Array))
      throw new DTypeError(`floats: got a tensor of dtype ${this.dtype}; expected f32 or f16`);
    return data;
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError(`item: a tensor of shape ${formatShape(this.shape)} has ${this.size} elements; expected 1`);
    }
    return (await this.data())[0] ?? 0;
  }

  /** The values as nested arrays. */
  async toArray(): Promise<NestedArray> {
    const data = await this.data();
    let at = 0;
    const build = (axis: number): NestedArray =>
      axis === this.rank ? (data[at++] ?? 0) : Array.from({ length: this.shape[axis] ?? 0 }, () => build(axis + 1));
    return build(0);
  }

  /** A tensor of another shape over the same memory, without graph; for the engine: `reshape` and `detach` are the ops. */
  alias(shape: Shape): Tensor {
    this.assertAlive('alias');
    return new Tensor(this.device, shape, this.dtype, this.#storage.retain(), this.#offset);
  }

  /** A range of the same memory as a tensor, without graph: `offset` in bytes from this tensor's start, a multiple of 256. */
  subrange(offset: number, shape: Shape): Tensor {
    this.assertAlive('subrange');
    if (offset % 256 !== 0 || offset < 0 || offset + sizeOf(shape) * bytesPerElement(this.dtype) > this.bytes) {
      throw new ShapeError(
        `subrange: ${formatShape(shape)} at byte ${offset} does not fit a tensor of ${this.bytes} bytes on a 256-byte boundary`,
      );
    }
    return new Tensor(this.device, shape, this.dtype, this.#storage.retain(), this.#offset + offset);
  }

  /**
   * Moves this tensor's values into a range of `arena`, `offset` bytes (a multiple of 256) from its start, and lives there
   * from now on: how an optimiser lays parameters side by side. Tensors that shared the old memory keep it.
   */
  moveInto(arena: Tensor, offset: number): void {
    const place = arena.subrange(offset, this.shape);
    if (this.size > 0) this.device.copy(this.range, place.range, this.bytes);
    const before = this.#storage;
    this.#storage = place.#storage.retain();
    this.#offset = place.#offset;
    place.dispose();
    before.release();
  }

  /** Overwrites the values with those of a tensor of the same size and dtype, without recording; for state, not for graphs. */
  copyFrom(source: Tensor): void {
    if (source.size !== this.size || source.dtype !== this.dtype) {
      throw new ShapeError(
        `copyFrom: ${source.dtype} ${formatShape(source.shape)} into ${this.dtype} ${formatShape(this.shape)}; sizes and dtypes must agree`,
      );
    }
    if (this.size > 0) this.device.copy(source.range, this.range, this.bytes);
    this.markWritten();
  }

  /** The same values, cut off from the graph. Shares memory. */
  detach(): Tensor {
    return this.alias(this.shape);
  }

  /** Marks it as a leaf to differentiate with respect to, and returns it. */
  requireGrad(on = true): this {
    if (on && !isFloat(this.dtype)) throw new GradError(`requireGrad: only floats have gradients, not ${this.dtype}`);
    this.requiresGrad = on;
    return this;
  }

  /** Dtype and shape, such as `Tensor(f32, [2, 3])`; the values are on the GPU, see `toArray`. */
  toString(): string {
    return `Tensor(${this.dtype}, ${formatShape(this.shape)})`;
  }

  [INSPECT](): string {
    return this.toString();
  }

  /** Frees its memory. Doing so twice is harmless. */
  dispose(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.scope?.tensors.delete(this);
    this.scope = undefined;
    this.#storage.release();
    this.device.disown();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Bytes that `elements` occupy in a buffer: a multiple of 16, at least 16, so that kernels may use vec4. */
export function paddedBytes(elements: number, dtype: DType): number {
  return Math.max(16, Math.ceil((elements * bytesPerElement(dtype)) / 16) * 16);
}

/** Takes a tensor out of its scope, so that only `dispose` frees it; returns it. */
export function keep<T extends Tensor>(tensor: T): T {
  tensor.assertAlive('keep');
  tensor.scope?.tensors.delete(tensor);
  tensor.scope = undefined;
  return tensor;
}
