import { ArgumentError } from '../engine/errors.js';

/** What a {@link Dataset} is made of. */
export interface DatasetContents {
  /** Named in error messages and logs. */
  readonly name: string;
  /**
   * The examples, row-major: floats in [0, 1], or bytes, which stand for byte / 255. Bytes take a quarter of the memory
   * and are converted batch by batch.
   */
  readonly images: Uint8Array | Float32Array;
  /** One class number, 0 .. classes - 1, to each example. */
  readonly labels: ArrayLike<number>;
  /** Number of examples first, then the shape of one: [n, channels, height, width] for images. */
  readonly shape: readonly number[];
  readonly classes: number;
  /** A name for each class, in the order of their numbers. */
  readonly classNames?: readonly string[] | undefined;
}

/** float32 of byte / 255. */
const BYTE_TO_FLOAT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

/** Examples and their labels in memory, checked when it is made: every pixel in [0, 1], every label a class. */
export class Dataset {
  readonly name: string;
  readonly images: Uint8Array | Float32Array;
  readonly labels: Int32Array<ArrayBuffer>;
  /** [n, ...]: the number of examples, then the shape of one. */
  readonly shape: readonly number[];
  readonly classes: number;
  /** A name for each class, where they have names. */
  readonly classNames: readonly string[] | undefined;
  /** Number of examples. */
  readonly size: number;
  /** Elements of one example. */
  readonly exampleSize: number;
  #fingerprint: string | undefined;

  /**
   * @throws ArgumentError naming the example and what is wrong with it: a pixel outside [0, 1], a label that is no
   * class, class names that are not one to each class, or counts that do not fit together
   */
  constructor(contents: DatasetContents) {
    const { name, images, labels, shape, classes, classNames } = contents;
    const [size, ...rest] = shape;
    if (size === undefined || !shape.every((length) => Number.isInteger(length) && length >= 0)) {
      throw new ArgumentError(`${name}: shape [${shape.join(', ')}] is not [number of examples, ...their shape]`);
    }
    if (!Number.isInteger(classes) || classes < 1) {
      throw new ArgumentError(`${name}: ${classes} classes; expected an integer from 1 up`);
    }
    if (classNames !== undefined && classNames.length !== classes) {
      throw new ArgumentError(`${name}: ${classes} classes but ${classNames.length} class names`);
    }
    if (!(images instanceof Uint8Array || images instanceof Float32Array)) {
      const kind = Object.prototype.toString.call(images).slice('[object '.length, -1);
      throw new ArgumentError(`${name}: images are in a ${kind}; expected a Float32Array, or a Uint8Array of bytes`);
    }
    this.name = name;
    this.images = images;
    this.shape = [...shape];
    this.classes = classes;
    this.classNames = classNames && [...classNames];
    this.size = size;
    this.exampleSize = rest.reduce((product, length) => product * length, 1);
    if (images.length !== size * this.exampleSize) {
      throw new ArgumentError(
        `${name}: ${images.length} pixels do not fill shape [${shape.join(', ')}], which has ${size * this.exampleSize}`,
      );
    }
    if (labels.length !== size) throw new ArgumentError(`${name}: ${size} images but ${labels.length} labels`);
    this.labels = checkedLabels(name, labels, classes);
    if (images instanceof Float32Array) this.#checkPixels(images);
  }

  /** Shape of one example, such as [1, 28, 28]. */
  get exampleShape(): readonly number[] {
    return this.shape.slice(1);
  }

  /**
   * Eight hexadecimal digits that follow from everything but the name: two datasets with the same ones are, but for a chance in 2^32, the same.
   * Taken once, at some 3 bytes in a nanosecond.
   */
  get fingerprint(): string {
    return (this.#fingerprint ??= this.#hash().toString(16).padStart(8, '0'));
  }

  /**
   * The examples of these numbers, in this order, as a dataset of its own (a copy). Numbers may repeat.
   * @throws ArgumentError for a number that is not 0 .. size - 1
   */
  subset(indices: ArrayLike<number>, name = this.name): Dataset {
    const { exampleSize } = this;
    const length = indices.length * exampleSize;
    const images = this.images instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
    const labels = new Int32Array(indices.length);
    for (let i = 0; i < indices.length; i++) {
      const index = this.#checkedIndex(indices[i]);
      images.set(this.images.subarray(index * exampleSize, (index + 1) * exampleSize), i * exampleSize);
      labels[i] = this.labels[index] ?? 0;
    }
    const { classes, classNames } = this;
    return new Dataset({ name, images, labels, shape: [indices.length, ...this.exampleShape], classes, classNames });
  }

  /**
   * The first `n` examples; they share this dataset's memory.
   * @throws ArgumentError where there are fewer
   */
  take(n: number): Dataset {
    if (!Number.isInteger(n) || n < 0 || n > this.size) {
      throw new ArgumentError(
        `${this.name}: cannot take ${n} of ${this.size} examples; give an integer of 0 .. ${this.size}`,
      );
    }
    return new Dataset({
      name: this.name,
      images: this.images.subarray(0, n * this.exampleSize),
      labels: this.labels.subarray(0, n),
      shape: [n, ...this.exampleShape],
      classes: this.classes,
      classNames: this.classNames,
    });
  }

  /**
   * The examples of these numbers as floats in [0, 1], one after the other, and their labels: what a batch is made of.
   * @throws ArgumentError for a number that is not 0 .. size - 1
   */
  gather(indices: ArrayLike<number>): { images: Float32Array<ArrayBuffer>; labels: Int32Array<ArrayBuffer> } {
    const { exampleSize } = this;
    const images = new Float32Array(indices.length * exampleSize);
    const labels = new Int32Array(indices.length);
    for (let i = 0; i < indices.length; i++) {
      const index = this.#checkedIndex(indices[i]);
      const source = this.images.subarray(index * exampleSize, (index + 1) * exampleSize);
      if (source instanceof Float32Array) images.set(source, i * exampleSize);
      else for (let k = 0; k < exampleSize; k++) images[i * exampleSize + k] = BYTE_TO_FLOAT[source[k] ?? 0] ?? 0;
      labels[i] = this.labels[index] ?? 0;
    }
    return { images, labels };
  }

  #hash(): number {
    const { shape, classes, classNames, labels, images } = this;
    const text = JSON.stringify([shape, classes, classNames, images instanceof Uint8Array]);
    return [new TextEncoder().encode(text), labels, images].reduce(fnv1a, FNV_START);
  }

  #checkedIndex(index: number | undefined): number {
    if (index === undefined || !Number.isInteger(index) || index < 0 || index >= this.size) {
      throw new ArgumentError(`${this.name}: there is no example ${index}; they are numbered 0 .. ${this.size - 1}`);
    }
    return index;
  }

  #checkPixels(images: Float32Array): void {
    // Written so that NaN fails too.
    const at = images.findIndex((pixel) => !(pixel >= 0 && pixel <= 1));
    if (at < 0) return;
    const { name, exampleSize } = this;
    throw new ArgumentError(
      `${name}: element ${at % exampleSize} of example ${Math.floor(at / exampleSize)} is ${images[at]}; ` +
        'pixels are in [0, 1] (scale bytes by 1/255, and normalise inside the model)',
    );
  }
}

const FNV_START = 0x811c9dc5;

/** Goes on with a hash of 32 bits over words of four bytes, then single ones (FNV-1a by Fowler, Noll and Vo). */
function fnv1a(hash: number, { buffer, byteOffset, byteLength }: ArrayBufferView): number {
  const view = new DataView(buffer, byteOffset, byteLength);
  const words = byteLength & ~3;
  for (let at = 0; at < words; at += 4) hash = Math.imul(hash ^ view.getUint32(at, true), 0x01000193);
  for (let at = words; at < byteLength; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193);
  return hash >>> 0;
}

function checkedLabels(name: string, labels: ArrayLike<number>, classes: number): Int32Array<ArrayBuffer> {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] ?? NaN;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new ArgumentError(
        `${name}: the label of example ${i} is ${label}; with ${classes} classes labels are 0 .. ${classes - 1}`,
      );
    }
  }
  return Int32Array.from(labels);
}
