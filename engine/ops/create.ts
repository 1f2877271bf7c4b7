import fillSource from '../../shaders/fill.wgsl';
import type { Device } from '../device.js';
import { encode, float, isFloat, storageType, type DType, type TensorData } from '../dtype.js';
import { ShapeError } from '../errors.js';
import { defineKernel, strideWorkgroups } from '../kernel.js';
import { checkShape, formatShape, sizeOf, type Shape } from '../shape.js';
import type { NestedArray, Tensor } from '../tensor.js';

const fillKernel = defineKernel({ name: 'fill', source: fillSource, bindings: ['write'] });

/** Where and as what a tensor is made. */
export interface CreateOptions {
  readonly device: Device;
  /** 'f32' by default; `tensor` takes it from a typed array. */
  readonly dtype?: DType;
}

/**
 * A tensor of the given values: a number, nested arrays, or a flat (typed) array with `shape`.
 *
 * Throws a `ShapeError` where nested arrays are ragged or `shape` does not hold as many elements as there are values.
 */
export function tensor(
  values: NestedArray | TensorData | ArrayLike<number>,
  options: CreateOptions & { readonly shape?: Shape },
): Tensor {
  const { device, dtype = dtypeOf(values) } = options;
  const nested = typeof values === 'number' || Array.isArray(values);
  const flat = nested ? flatten(values) : (values as ArrayLike<number>);
  const shape = options.shape ?? (nested ? shapeOf(values) : [flat.length]);
  checkShape('tensor', shape);
  if (sizeOf(shape) !== flat.length) {
    throw new ShapeError(
      `tensor: ${flat.length} values do not fill shape ${formatShape(shape)}; expected ${sizeOf(shape)}`,
    );
  }
  const result = device.empty(shape, dtype);
  device.write(result.range, encode(dtype, flat));
  return result;
}

/** A tensor of zeros. */
export function zeros(shape: Shape, options: CreateOptions): Tensor {
  return full(shape, 0, options);
}

/** A tensor of ones. */
export function ones(shape: Shape, options: CreateOptions): Tensor {
  return full(shape, 1, options);
}

/** A tensor of one repeated value. */
export function full(shape: Shape, value: number, { device, dtype = 'f32' }: CreateOptions): Tensor {
  checkShape('full', shape);
  return ramp(device.empty(shape, dtype), value, 0);
}

function ramp(result: Tensor, start: number, step: number): Tensor {
  const word = (value: number): number => (isFloat(result.dtype) ? float(value) : value >>> 0);
  const vectors = Math.ceil(Math.max(1, result.size) / 4);
  result.device.dispatch({
    kernel: fillKernel,
    constants: { T: storageType(result.dtype), P: storageType(isFloat(result.dtype) ? 'f32' : result.dtype) },
    buffers: [result.range],
    uniforms: [vectors, word(start), word(step)],
    workgroups: strideWorkgroups(vectors, result.device.caps),
    ...(result.dtype === 'f32' &&
      step === 0 && {
        elementwise: { function: 'copy', arguments: [{ kind: 'scalar', word: word(start) }], vectors },
      }),
  });
  return result;
}

/** Zeros of the same shape, dtype and device. */
export function zerosLike(x: Tensor): Tensor {
  return full(x.shape, 0, { device: x.device, dtype: x.dtype });
}

/** Ones of the same shape, dtype and device. */
export function onesLike(x: Tensor): Tensor {
  return full(x.shape, 1, { device: x.device, dtype: x.dtype });
}

/** The numbers start, start + step, ..., below `end` (above it for a negative step), as i32 by default. */
export function arange(start: number, end: number, options: CreateOptions & { readonly step?: number }): Tensor {
  const { device, dtype = 'i32', step = 1 } = options;
  return ramp(device.empty([Math.max(0, Math.ceil((end - start) / step))], dtype), start, step);
}

function dtypeOf(values: NestedArray | TensorData | ArrayLike<number>): DType {
  if (values instanceof Int32Array) return 'i32';
  return values instanceof Uint32Array ? 'u32' : 'f32';
}

function flatten(values: NestedArray, into: number[] = []): number[] {
  if (typeof values === 'number') into.push(values);
  else for (const value of values) flatten(value, into);
  return into;
}

function shapeOf(values: NestedArray): number[] {
  if (typeof values === 'number') return [];
  const inner = values.map(shapeOf);
  const [first = []] = inner;
  const ragged = inner.find((shape) => formatShape(shape) !== formatShape(first));
  if (ragged) {
    throw new ShapeError(`tensor: nested arrays are ragged: ${formatShape(first)} beside ${formatShape(ragged)}`);
  }
  return [values.length, ...first];
}
