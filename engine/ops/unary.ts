import unarySource from '../../shaders/unary.wgsl';
import { float, storageType } from '../dtype.js';
import { defineKernel, strideWorkgroups } from '../kernel.js';
import type { Tensor } from '../tensor.js';

const unaryKernel = defineKernel({ name: 'unary', source: unarySource, bindings: ['read', 'write'] });

/** What a function of `shaders/unary.wgsl` takes beside its tensor. */
interface UnaryOptions {
  /** The function's attributes. */
  readonly attributes?: readonly [first: number, second?: number];
  /** Read the elements as raw words instead of numbers. */
  readonly words?: boolean;
}

/** Records `y = op(x)`, elementwise, by the function `op_<op>` of `shaders/unary.wgsl`. */
export function dispatchUnary(op: string, x: Tensor, y: Tensor, options: UnaryOptions = {}): void {
  const { attributes: [first, second = 0] = [0], words = false } = options;
  const { device } = x;
  if (x.size === 0) return;
  const vectors = Math.ceil(x.size / 4);
  device.dispatch({
    kernel: unaryKernel,
    constants: { OP: op, T: words ? 'u32' : storageType(x.dtype), R: storageType(y.dtype) },
    buffers: [x.range, y.range],
    uniforms: [vectors, float(first), float(second)],
    workgroups: strideWorkgroups(vectors, device.caps),
    label: op,
  });
}
