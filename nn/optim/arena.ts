import { bytesPerElement } from '../../engine/dtype.js';
import type { Device } from '../../engine/device.js';
import { ArgumentError, ShapeError } from '../../engine/errors.js';
import type { BufferRange } from '../../engine/kernel.js';
import { formatShape, sameShape } from '../../engine/shape.js';
import { keep, type Tensor } from '../../engine/tensor.js';
import { clipFlatNorm } from './clip.js';
import { layOut, partsOf, type FlatPart } from './flat-layout.js';

/**
 * Parameters laid side by side in one buffer, and their gradients in another, so that one dispatch updates them all, or as few as the
 * device's limit to a binding allows. The gaps between them, at most 252 bytes each, are zeros that stay zeros.
 */
export class ParameterArena {
  readonly device: Device;
  readonly parameters: readonly Tensor[];
  readonly #offsets: readonly number[];
  readonly #bytes: number;
  readonly #values: Tensor;
  readonly #gradients: Tensor;

  /**
   * Moves the parameters into the arena.
   *
   * @throws ArgumentError for no parameters, one given twice, one that is not f32, or two devices
   */
  constructor(owner: string, parameters: readonly Tensor[]) {
    this.device = checkParameters(owner, parameters);
    this.parameters = [...parameters];
    const { offsets, bytes } = layOut(parameters);
    this.#offsets = offsets;
    this.#bytes = bytes;
    this.#values = this.zeros();
    this.#gradients = this.zeros();
    parameters.forEach((parameter, index) => {
      parameter.moveInto(this.#values, this.#offsets[index] ?? 0);
    });
  }

  /** Where the parameters are. */
  get values(): BufferRange {
    return this.#values.range;
  }

  /** Where `gather` put the gradients. */
  get gradients(): BufferRange {
    return this.#gradients.range;
  }

  /** Buffers of this layout in the parts that a kernel can bind, mostly one. */
  parts(...buffers: readonly BufferRange[]): FlatPart[] {
    return partsOf(this.device, buffers);
  }

  /** To be called once the parameters' values have changed. */
  markWritten(): void {
    this.#values.markWritten();
  }

  /** One more buffer of the same layout, of zeros, kept. */
  zeros(): Tensor {
    const arena = keep(this.device.emptyInParts(this.#bytes / bytesPerElement('f32')));
    this.device.clear(arena.range);
    return arena;
  }

  /** The parts of a buffer of this layout, one of each parameter's shape, kept. */
  views(arena: Tensor): Tensor[] {
    return this.parameters.map(({ shape }, index) => keep(arena.subrange(this.#offsets[index] ?? 0, shape)));
  }

  /**
   * Copies one gradient per parameter side by side.
   *
   * @throws ArgumentError where one is missing, or a parameter has left the arena (for another optimiser's); ShapeError where
   * one has another shape than its parameter
   */
  gather(owner: string, gradients: readonly (Tensor | null)[]): void {
    this.#check(owner, gradients);
    const { buffer } = this.#gradients.range;
    gradients.forEach((gradient, index) => {
      if (!gradient || gradient.size === 0) return;
      const offset = this.#offsets[index] ?? 0;
      this.device.copy(gradient.range, { buffer, offset, size: gradient.bytes }, gradient.bytes);
    });
  }

  /** Clips what `gather` put side by side to a norm of `maxNorm`; gives the norm before, f32 `[]`. */
  clip(maxNorm: number): Tensor {
    return clipFlatNorm(this.#gradients, maxNorm);
  }

  #check(owner: string, gradients: readonly (Tensor | null)[]): void {
    if (gradients.length !== this.parameters.length) {
      throw new ArgumentError(
        `${owner}: ${gradients.length} gradients for ${this.parameters.length} parameters; expected one for each, in their order`,
      );
    }
    this.parameters.forEach((parameter, index) => {
      const gradient = gradients[index];
      const name = nameOf(parameter, index);
      if (!gradient)
        throw new ArgumentError(`${owner}: ${name} has no gradient; run backward() first, or leave it out`);
      if (!sameShape(gradient.shape, parameter.shape) || gradient.dtype !== 'f32') {
        throw new ShapeError(`${owner}: the gradient of ${name} is ${gradient.dtype} ${formatShape(gradient.shape)}`);
      }
    });
    this.checkHome(owner);
  }

  /** Throws an `ArgumentError` where a parameter has left the arena, for another optimiser's. */
  checkHome(owner: string): void {
    const { buffer } = this.#values.range;
    const index = this.parameters.findIndex(({ range }) => range.buffer !== buffer);
    const stray = this.parameters[index];
    if (!stray) return;
    throw new ArgumentError(
      `${owner}: ${nameOf(stray, index)} now belongs to another optimiser; use one optimiser for each parameter`,
    );
  }

  /** Frees the gradients' buffer, and gives up the parameters', which lives as long as they do. */
  dispose(): void {
    this.#values.dispose();
    this.#gradients.dispose();
  }
}

function nameOf({ shape }: Tensor, index: number): string {
  return `parameter ${index} of shape ${formatShape(shape)}`;
}

function checkParameters(owner: string, parameters: readonly Tensor[]): Device {
  const [first] = parameters;
  if (!first) throw new ArgumentError(`${owner}: no parameters; expected at least one`);
  if (new Set(parameters).size !== parameters.length) {
    throw new ArgumentError(`${owner}: a parameter is given twice; give each once`);
  }
  for (const parameter of parameters) {
    parameter.assertAlive(owner);
    if (parameter.dtype !== 'f32') throw new ArgumentError(`${owner}: a parameter is ${parameter.dtype}; expected f32`);
    if (parameter.device !== first.device) {
      throw new ArgumentError(`${owner}: the parameters live on two devices; make an optimiser for each`);
    }
  }
  return first.device;
}
