import { fromFloat16, toFloat16 } from './float16.js';

/**
 * Element types. `bool` is stored as one u32 per element (0 or 1). `f16` is for storage: operations widen it to f32, compute and
 * accumulate in f32, and round the result; only adapters with `shader-f16` have it.
 */
export type DType = 'f32' | 'f16' | 'i32' | 'u32' | 'bool';

/** Every element type. */
export const EVERY_DTYPE: readonly DType[] = ['f32', 'f16', 'i32', 'u32', 'bool'];

/** The typed array that holds a dtype's elements on the CPU. */
export interface TypedArrayOf {
  f32: Float32Array<ArrayBuffer>;
  /** The values, which f32 holds exactly. */
  f16: Float32Array<ArrayBuffer>;
  i32: Int32Array<ArrayBuffer>;
  u32: Uint32Array<ArrayBuffer>;
  bool: Uint32Array<ArrayBuffer>;
}

/** Any of the typed arrays that a tensor's values come in. */
export type TensorData = TypedArrayOf[DType];

/** Bytes per element on the GPU. */
export function bytesPerElement(dtype: DType): 2 | 4 {
  return dtype === 'f16' ? 2 : 4;
}

/** Whether the dtype has fractions, and with them gradients. */
export function isFloat(dtype: DType): dtype is 'f32' | 'f16' {
  return dtype === 'f32' || dtype === 'f16';
}

/** WGSL's name for the type a dtype is stored as. */
export function storageType(dtype: DType): 'f32' | 'f16' | 'i32' | 'u32' {
  return dtype === 'bool' ? 'u32' : dtype;
}

/** WGSL's name for a type of the dtype's size that moves its elements as they are. */
export function wordType(dtype: DType): 'f16' | 'u32' {
  return dtype === 'f16' ? 'f16' : 'u32';
}

/** The values that the GPU's bytes mean; a view of `buffer` where that is their form. */
export function decode(dtype: DType, buffer: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer);
    case 'f16':
      return fromFloat16(new Uint16Array(buffer));
    case 'i32':
      return new Int32Array(buffer);
    case 'u32':
    case 'bool':
      return new Uint32Array(buffer);
    default:
      return dtype satisfies never;
  }
}

/** What the GPU holds for `values`: their own array where that is its form already, f16 as bit patterns. */
export function encode(
  dtype: DType,
  values: ArrayLike<number | boolean>,
): TypedArrayOf[Exclude<DType, 'f16'>] | Uint16Array<ArrayBuffer> {
  switch (dtype) {
    case 'f32':
      return values instanceof Float32Array && values.buffer instanceof ArrayBuffer
        ? (values as Float32Array<ArrayBuffer>)
        : Float32Array.from(values, Number);
    case 'f16': {
      // Whole words, for that is what is written.
      const even = new Float32Array(Math.ceil(values.length / 2) * 2);
      even.set(Float32Array.from(values, Number));
      return toFloat16(even);
    }
    case 'i32':
      return Int32Array.from(values, Number);
    case 'u32':
      return Uint32Array.from(values, Number);
    case 'bool':
      return Uint32Array.from(values, (value) => (Number(value) === 0 ? 0 : 1));
    default:
      return dtype satisfies never;
  }
}

const bits = new DataView(new ArrayBuffer(4));

/** The bit pattern of `value` rounded to f32, as a u32: how a float travels in a uniform block. */
export function float(value: number): number {
  bits.setFloat32(0, value, true);
  return bits.getUint32(0, true);
}
