/** Element types. `bool` is stored as one u32 per element (0 or 1). */
export type DType = 'f32' | 'i32' | 'u32' | 'bool';

/** The typed array that holds a dtype's elements on the CPU. */
export interface TypedArrayOf {
  f32: Float32Array<ArrayBuffer>;
  i32: Int32Array<ArrayBuffer>;
  u32: Uint32Array<ArrayBuffer>;
  bool: Uint32Array<ArrayBuffer>;
}

/** Any of the typed arrays that a tensor's values come in. */
export type TensorData = TypedArrayOf[DType];

/** Bytes per element, the same for every dtype so far. */
export const BYTES_PER_ELEMENT = 4;

/** WGSL's name for the type a dtype is stored as. */
export function storageType(dtype: DType): 'f32' | 'i32' | 'u32' {
  return dtype === 'bool' ? 'u32' : dtype;
}

/** A view of `buffer` as the typed array of `dtype`. */
export function viewAs(dtype: DType, buffer: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer);
    case 'i32':
      return new Int32Array(buffer);
    case 'u32':
    case 'bool':
      return new Uint32Array(buffer);
    default:
      return dtype satisfies never;
  }
}

/** `values` converted to the typed array of `dtype`; an array that already has it is returned as it is. */
export function toTyped(dtype: DType, values: ArrayLike<number | boolean>): TensorData {
  switch (dtype) {
    case 'f32':
      return values instanceof Float32Array && values.buffer instanceof ArrayBuffer
        ? (values as Float32Array<ArrayBuffer>)
        : Float32Array.from(values, Number);
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
