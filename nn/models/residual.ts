/** What the residual networks share. */
import type { Device } from '../../engine/device.js';
import { pad } from '../../engine/ops/arrange.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { Conv2d } from '../layers/conv.js';
import type { Module } from '../module.js';
import { Sequential } from '../layers/sequential.js';
import type { ActivationName } from './activation.js';

/** Where a network's tensors live and its initial values come from. */
export interface Source {
  readonly device: Device;
  /** Where the initial values come from; the device's own stream for initialisation unless told. */
  readonly generator?: Generator | undefined;
}

/** What every residual network takes. */
export interface ResidualOptions extends Source {
  /** Number of logits; 10 unless told. */
  readonly classes?: number;
  /** 3 unless told. */
  readonly inChannels?: number;
  /** Multiplies the published numbers of channels; 1 unless told. */
  readonly width?: number;
  /** 'relu' unless told. */
  readonly activation?: ActivationName;
}

/**
 * Where a 3 x 3 convolution of stride 2 has its zeros: 'symmetric', on all sides, as PyTorch's networks; 'same', at the right and bottom
 * alone if the size is even, as TensorFlow's, and DeepMind's in either library.
 */
export type StridePadding = 'symmetric' | 'same';

/** Every {@link StridePadding}. */
export const STRIDE_PADDINGS = ['symmetric', 'same'] as const satisfies readonly StridePadding[];

/** Images with the zeros of 'same' around them. */
export function paddedSame(x: Tensor): Tensor {
  const [height = 0, width = 0] = x.shape.slice(2);
  return pad(x, [width % 2, 1, height % 2, 1]);
}

/** A convolution without bias that keeps the images' size at stride 1: kernel 3 with padding 1 unless told, or kernel 1. */
export function convolution(
  inPlanes: number,
  planes: number,
  kernel: 1 | 3,
  stride: 1 | 2,
  { padding = (kernel - 1) / 2, ...from }: Source & { readonly padding?: number },
): Conv2d {
  return new Conv2d(inPlanes, planes, kernel, { ...from, stride, padding, bias: false });
}

/** `count` blocks one after another, the first of which changes the size and the channels. */
export function stage(count: number, stride: 1 | 2, block: (stride: 1 | 2) => Module): Sequential {
  return new Sequential(...Array.from({ length: count }, (_, index) => block(index === 0 ? stride : 1)));
}
