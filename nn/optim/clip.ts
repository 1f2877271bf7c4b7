import source from '../../shaders/gradient_clip.wgsl';
import { bytesPerElement, float } from '../../engine/dtype.js';
import { ArgumentError } from '../../engine/errors.js';
import { defineKernel, foldWorkgroups, strideWorkgroups } from '../../engine/kernel.js';
import { reduceInto } from '../../engine/ops/reduce.js';
import type { Tensor } from '../../engine/tensor.js';
import { layOut, partsOf } from './flat-layout.js';

const squaresKernel = defineKernel({ name: 'gradient_clip', source, bindings: ['read', 'write'] });
const normKernel = defineKernel({ name: 'gradient_clip', source, bindings: ['write', 'read', 'write'] });
const valueKernel = defineKernel({ name: 'gradient_clip', source, bindings: ['write'] });

/** Workgroups that a sum of squares is divided among at most: partial sums enough, and soon added up. */
const MOST_WORKGROUPS = { software: 8, gpu: 256 };

/** The largest f32: a limit that nothing exceeds. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** What {@link clipGradNorm} gives. */
export interface ClippedGradients {
  /** One for each that was given, of its shape. */
  readonly gradients: readonly Tensor[];
  /** The norm before clipping, f32 `[]`: what a log wants. */
  readonly norm: Tensor;
}

/**
 * The gradients times maxNorm / (norm + 1e-6) where that is below 1, with the L2 norm of all of them together: PyTorch's
 * `clip_grad_norm_`, but as new tensors. A norm of NaN makes every gradient NaN, and an infinite one every finite gradient 0. In f32:
 * a norm from 1.8e19 up is infinite. A `maxNorm` of Infinity only measures. Where an optimiser is to take them next, its `step`
 * clips with fewer copies.
 *
 * @throws ArgumentError for a `maxNorm` that is not above 0, no gradients, or one that is not f32
 */
export function clipGradNorm(gradients: readonly Tensor[], maxNorm: number): ClippedGradients {
  checkLimit('clipGradNorm', 'maxNorm', maxNorm);
  const { flat, views } = copySideBySide('clipGradNorm', gradients);
  return { gradients: views, norm: clipFlatNorm(flat, maxNorm) };
}

/**
 * The gradients with every element clamped to [-limit, limit]: PyTorch's `clip_grad_value_`, but as new tensors. NaN stays NaN.
 *
 * @throws ArgumentError for a limit that is not above 0, no gradients, or one that is not f32
 */
export function clipGradValue(gradients: readonly Tensor[], limit: number): Tensor[] {
  checkLimit('clipGradValue', 'limit', limit);
  const { flat, views } = copySideBySide('clipGradValue', gradients);
  for (const { ranges, vectors } of partsOf(flat.device, [flat.range])) {
    flat.device.dispatch({
      kernel: valueKernel,
      constants: { PASS: 'value' },
      buffers: ranges,
      uniforms: [vectors, float(Math.min(limit, LARGEST))],
      workgroups: strideWorkgroups(vectors, flat.device.caps),
      label: 'clipGradValue',
    });
  }
  return views;
}

/** Throws an `ArgumentError` unless a limit is a number above 0. */
export function checkLimit(owner: string, name: string, limit: number): void {
  if (!(limit > 0)) throw new ArgumentError(`${owner}: ${name} is ${limit}; expected a number above 0`);
}

/** Clips gradients that lie side by side, zeros in the gaps, in place; gives their norm before, f32 `[]`. */
export function clipFlatNorm(flat: Tensor, maxNorm: number): Tensor {
  const { device } = flat;
  const parts = partsOf(device, [flat.range]);
  const most = device.caps.software ? MOST_WORKGROUPS.software : MOST_WORKGROUPS.gpu;
  const groups = Math.min(most, Math.ceil((parts[0]?.vectors ?? 0) / 64));
  const partial = device.empty([parts.length, groups * 64]);
  const [total, norm] = [device.empty([]), device.empty([])];
  parts.forEach(({ ranges, vectors }, part) => {
    const sums = partial.subrange(part * groups * 64 * bytesPerElement('f32'), [groups * 64]);
    device.dispatch({
      kernel: squaresKernel,
      constants: { PASS: 'squares' },
      buffers: [...ranges, sums.range],
      uniforms: [vectors, 0],
      workgroups: foldWorkgroups(groups),
      label: 'gradient norm',
    });
    sums.dispose();
  });
  reduceInto(device, 'sum', partial, total, [0, 1]);
  partial.dispose();
  for (const { ranges, vectors } of parts) {
    device.dispatch({
      kernel: normKernel,
      constants: { PASS: 'norm' },
      buffers: [...ranges, total.range, norm.range],
      uniforms: [vectors, float(Math.min(maxNorm, LARGEST))],
      workgroups: strideWorkgroups(vectors, device.caps),
      label: 'gradient clip',
    });
  }
  total.dispose();
  flat.markWritten();
  return norm;
}

/** Copies of tensors side by side, and each of them again in its shape. */
function copySideBySide(owner: string, tensors: readonly Tensor[]): { flat: Tensor; views: Tensor[] } {
  const [first] = tensors;
  if (!first) throw new ArgumentError(`${owner}: no gradients; expected at least one`);
  const wrong = tensors.find(({ dtype }) => dtype !== 'f32');
  if (wrong) throw new ArgumentError(`${owner}: a gradient is ${wrong.dtype}; expected f32`);
  const { device } = first;
  const { offsets, bytes } = layOut(tensors);
  const flat = device.emptyInParts(bytes / bytesPerElement('f32'));
  device.clear(flat.range);
  const { buffer, offset: start } = flat.range;
  const views = tensors.map((tensor, index) => {
    const offset = offsets[index] ?? 0;
    const to = { buffer, offset: start + offset, size: tensor.bytes };
    if (tensor.size > 0) device.copy(tensor.range, to, tensor.bytes);
    return flat.subrange(offset, tensor.shape);
  });
  return { flat, views };
}
