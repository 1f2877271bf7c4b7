import { conv2d } from '../../engine/ops/conv.js';
import { add, mul, rsqrt, sub } from '../../engine/ops/elementwise.js';
import { reshape } from '../../engine/ops/movement.js';
import type { Tensor } from '../../engine/tensor.js';
import type { BatchNorm2d } from './batch-norm.js';
import type { Conv2d } from './conv.js';

/**
 * `norm(conv(x))`. In evaluation the normalisation is a fixed scale `s` and shift of every channel, which become part of the
 * convolution: `conv(x; s w, (b - mean) s + beta)` with `s = gamma / sqrt(variance + eps)`. One pass instead of two, forward and in the
 * input gradient, and the same derivatives. In training it is what it says.
 */
export function convBatchNorm(conv: Conv2d, norm: BatchNorm2d, x: Tensor): Tensor {
  if (norm.training) return norm.forward(conv.forward(x));
  const { weight, bias, stride, padding, dilation, groups } = conv;
  const deviation = rsqrt(add(norm.runningVar, norm.eps));
  const scale = norm.weight ? mul(deviation, norm.weight) : deviation;
  const centre = bias ? sub(bias, norm.runningMean) : mul(norm.runningMean, -1);
  const shift = norm.bias ? add(mul(centre, scale), norm.bias) : mul(centre, scale);
  const scaled = mul(weight, reshape(scale, [scale.size, 1, 1, 1]));
  return conv2d(x, scaled, shift, { stride, padding, dilation, groups });
}
