/**
 * Naive float64 references, each written from the definition of its operation, and numerical derivatives of them. The
 * engine's results are compared with these; nothing here imports the engine.
 */

/** An n-dimensional array in float64, row-major. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** A definition with its attributes bound. */
export type Reference = (inputs: readonly NdArray[]) => NdArray;

/**
 * The definition of an op, given a sample's attributes. An op with several outputs has one reference for each, and no
 * reference for outputs that are its own business (such as indices that only its backward rule reads).
 */
// The attributes' type is the op's own affair; `never` lets every one in.
export type OpReference = (attrs: never) => Reference | readonly Reference[];

/** An input that the op takes. */
export function input(x: NdArray | undefined): NdArray {
  if (!x) throw new RangeError('a reference was given too few inputs');
  return x;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Calls `visit` with every index of `shape`, in row-major order. */
export function forEachIndex(shape: readonly number[], visit: (index: readonly number[], flat: number) => void): void {
  const total = sizeOf(shape);
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < total; flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      index[axis] = next === shape[axis] ? 0 : next;
      if (next !== shape[axis]) break;
    }
  }
}

/** The element at `index`, with axes of size 1 and missing leading axes repeated. */
export function at(x: NdArray, index: readonly number[]): number {
  const lead = index.length - x.shape.length;
  let flat = 0;
  x.shape.forEach((size, axis) => {
    flat = flat * size + (size === 1 ? 0 : (index[axis + lead] ?? 0));
  });
  return x.data[flat] ?? Number.NaN;
}

/** An array built from a function of the index. */
export function build(shape: readonly number[], value: (index: readonly number[]) => number): NdArray {
  const data = new Float64Array(sizeOf(shape));
  forEachIndex(shape, (index, flat) => {
    data[flat] = value(index);
  });
  return { shape, data };
}

/** The shape that broadcasting gives. */
export function broadcast(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return sizes.includes(0) ? 0 : Math.max(...sizes);
  });
}

/** A function of scalars applied elementwise with broadcasting. */
export function elementwise(f: (...values: number[]) => number): Reference {
  return (inputs) =>
    build(broadcast(inputs.map((input) => input.shape)), (index) => f(...inputs.map((input) => at(input, index))));
}

/** Σ weights · f(inputs): the scalar whose derivatives the checks compare. */
export function weighted(f: Reference, inputs: readonly NdArray[], weights: Float64Array): number {
  return f(inputs).data.reduce((sum, value, index) => sum + value * (weights[index] ?? 0), 0);
}

/** The gradient of `weighted` with respect to one input, by central differences. */
export function numericGradient(
  f: Reference,
  inputs: readonly NdArray[],
  weights: Float64Array,
  which: number,
  step = 1e-5,
): Float64Array {
  const input = inputs[which];
  if (!input) throw new RangeError(`no input ${which}`);
  return input.data.map((value, index) => {
    const moved = (to: number): number => {
      const data = input.data.with(index, to);
      return weighted(f, inputs.with(which, { shape: input.shape, data }), weights);
    };
    return (moved(value + step) - moved(value - step)) / (2 * step);
  });
}

/** The Hessian of `weighted` times `direction`, with respect to one input, by central differences of the gradient. */
export function numericHessianProduct(
  f: Reference,
  inputs: readonly NdArray[],
  weights: Float64Array,
  which: number,
  direction: Float64Array,
): Float64Array {
  const step = 1e-3;
  const input = inputs[which];
  if (!input) throw new RangeError(`no input ${which}`);
  const gradientAt = (sign: number): Float64Array => {
    const data = input.data.map((value, index) => value + sign * step * (direction[index] ?? 0));
    return numericGradient(f, inputs.with(which, { shape: input.shape, data }), weights, which, 1e-4);
  };
  const [plus, minus] = [gradientAt(1), gradientAt(-1)];
  return plus.map((value, index) => (value - (minus[index] ?? 0)) / (2 * step));
}

/** ||a - b||_2 and ||b||_2. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): { error: number; norm: number } {
  let [error, norm] = [0, 0];
  for (let index = 0; index < b.length; index++) {
    error += ((a[index] ?? Number.NaN) - (b[index] ?? Number.NaN)) ** 2;
    norm += (b[index] ?? Number.NaN) ** 2;
  }
  return { error: a.length === b.length ? Math.sqrt(error) : Number.NaN, norm: Math.sqrt(norm) };
}
