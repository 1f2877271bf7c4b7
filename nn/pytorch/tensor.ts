import type { FormatError } from '../../engine/errors.js';
import type { SafetensorsDType, SafetensorsTensor } from '../safetensors.js';
import type { Budget } from './budget.js';

/** Bytes of one element. */
export const ELEMENT_BYTES: { readonly [D in SafetensorsDType]: number } = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** Memory that tensors are laid out in, as PyTorch's storages: `count` elements. */
export class Storage {
  constructor(
    /** Undefined for bytes that each tensor gives a type of its own. */
    readonly dtype: SafetensorsDType | undefined,
    readonly count: number,
    /** Undefined while the file is only looked through for the place where the storages begin. */
    readonly buffer: ArrayBuffer | undefined,
  ) {}
}

/** How a tensor lies in its storage, in elements. */
export interface Layout {
  readonly dtype: SafetensorsDType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/**
 * The tensor of a layout. One that is contiguous is a view of the storage, which others may share; any other is copied.
 *
 * @param fail makes the error for a layout that does not fit the storage
 */
export function tensorIn(
  storage: Storage,
  { dtype, offset, shape, strides }: Layout,
  budget: Budget,
  fail: (problem: string) => FormatError,
): SafetensorsTensor {
  const width = ELEMENT_BYTES[dtype];
  const available = storage.dtype === undefined ? Math.floor(storage.count / width) : storage.count;
  const count = shape.reduce((product, size) => product * size, 1);
  const reach = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), 0);
  const what = `a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}] from element ${offset}`;
  if (count > 0 && offset + reach >= available) {
    throw fail(`${what} goes to element ${offset + reach}; its storage has ${available}`);
  }
  if (!storage.buffer || count === 0) return typed(dtype, shape, new ArrayBuffer(0), 0, 0);
  if (isContiguous(shape, strides)) {
    // A view takes no memory, but a file can ask for views of the same truths again and again, each of which is looked through.
    if (dtype === 'BOOL') budget.spend(count, what);
    return checked(typed(dtype, shape, storage.buffer, offset * width, count), fail);
  }
  budget.spend(count * width, what);
  const own = gathered(new Uint8Array(storage.buffer), { offset, shape, strides }, width);
  return checked(typed(dtype, shape, own, 0, count), fail);
}

/** Whether elements follow each other row-major; the stride of an axis of one element means nothing. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    if (size === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** The elements row-major, of `width` bytes each. */
function gathered(bytes: Uint8Array, { offset, shape, strides }: Omit<Layout, 'dtype'>, width: number): ArrayBuffer {
  const count = shape.reduce((product, size) => product * size, 1);
  const result = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  let from = offset * width;
  for (let to = 0; to < result.length; to += width) {
    for (let byte = 0; byte < width; byte++) result[to + byte] = bytes[from + byte] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const [at, size, stride] = [index[axis] ?? 0, shape[axis] ?? 1, (strides[axis] ?? 0) * width];
      if (at + 1 < size) {
        index[axis] = at + 1;
        from += stride;
        break;
      }
      index[axis] = 0;
      from -= at * stride;
    }
  }
  return result.buffer;
}

function checked(tensor: SafetensorsTensor, fail: (problem: string) => FormatError): SafetensorsTensor {
  const other = tensor.dtype === 'BOOL' ? tensor.data.findIndex((value) => value > 1) : -1;
  if (other < 0) return tensor;
  throw fail(`element ${other} of a bool tensor is ${tensor.data[other]}; expected 0 or 1`);
}

function typed(
  dtype: SafetensorsDType,
  shape: readonly number[],
  buffer: ArrayBuffer,
  at: number,
  count: number,
): SafetensorsTensor {
  switch (dtype) {
    case 'F64':
      return { dtype, shape, data: new Float64Array(buffer, at, count) };
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer, at, count) };
    case 'F16':
    case 'BF16':
    case 'U16':
      return { dtype, shape, data: new Uint16Array(buffer, at, count) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(buffer, at, count) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer, at, count) };
    case 'I16':
      return { dtype, shape, data: new Int16Array(buffer, at, count) };
    case 'I8':
      return { dtype, shape, data: new Int8Array(buffer, at, count) };
    case 'U64':
      return { dtype, shape, data: new BigUint64Array(buffer, at, count) };
    case 'U32':
      return { dtype, shape, data: new Uint32Array(buffer, at, count) };
    case 'U8':
    case 'BOOL':
      return { dtype, shape, data: new Uint8Array(buffer, at, count) };
    default:
      return dtype satisfies never;
  }
}
