/**
 * Initial values of parameters, after PyTorch's `torch.nn.init`. Each function overwrites the tensor and returns it; the values
 * come from a counter-based generator, so that a seed gives the same bits on every device.
 */
import { ArgumentError, ShapeError } from '../engine/errors.js';
import { full } from '../engine/ops/create.js';
import { generatorOf, rand, randn } from '../engine/ops/random.js';
import type { Generator } from '../engine/random.js';
import { formatShape, sizeOf, type Shape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';

/** Which side of a weight decides its scale: 'fanIn' keeps the variance of the forward pass, 'fanOut' of the backward. */
export type FanMode = 'fanIn' | 'fanOut';

/** Options of the Kaiming initialisations. */
export interface KaimingOptions {
  /** Slope of the leaky ReLU that follows; 0, a plain ReLU with gain sqrt(2), unless told. The gain is sqrt(2 / (1 + a^2)). */
  readonly a?: number;
  /** 'fanIn' unless told. */
  readonly mode?: FanMode;
  /** Where the numbers come from; the device's own stream for initialisation unless told. */
  readonly generator?: Generator | undefined;
}

/**
 * The number of inputs that feed one output of a weight `[out, in, ...kernel]`, and of outputs that one input feeds.
 *
 * @throws ShapeError for fewer than two axes
 */
export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  const [outputs, inputs, ...kernel] = shape;
  if (outputs === undefined || inputs === undefined) {
    throw new ShapeError(`fans: a weight of shape ${formatShape(shape)} has no fan; expected [out, in, ...kernel]`);
  }
  return { fanIn: inputs * sizeOf(kernel), fanOut: outputs * sizeOf(kernel) };
}

/** Every element `value`. */
export function constant(tensor: Tensor, value: number): Tensor {
  return overwrite(tensor, full(tensor.shape, value, { device: tensor.device, dtype: tensor.dtype }));
}

/** Every element 0. */
export function zeros(tensor: Tensor): Tensor {
  return constant(tensor, 0);
}

/** Uniform in [-bound, bound). */
export function uniform(tensor: Tensor, bound: number, generator?: Generator): Tensor {
  return overwrite(tensor, rand(tensor.shape, { device: tensor.device, bound, generator: chosen(tensor, generator) }));
}

/** Normal with mean 0 and standard deviation `std`. */
export function normal(tensor: Tensor, std: number, generator?: Generator): Tensor {
  return overwrite(tensor, randn(tensor.shape, { device: tensor.device, std, generator: chosen(tensor, generator) }));
}

/** Uniform with variance gain^2 / fan: He et al., "Delving deep into rectifiers", ICCV 2015. */
export function kaimingUniform(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  return uniform(tensor, Math.sqrt(3) * kaimingStd(tensor.shape, options), options.generator);
}

/** Normal with variance gain^2 / fan: He et al., "Delving deep into rectifiers", ICCV 2015. */
export function kaimingNormal(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  return normal(tensor, kaimingStd(tensor.shape, options), options.generator);
}

/**
 * What PyTorch's linear and convolution layers start from: weight and bias uniform in +-1 / sqrt(fanIn), which is
 * `kaimingUniform` with a = sqrt(5). The weight is drawn first.
 */
export function layerDefault(weight: Tensor, bias: Tensor | null, generator?: Generator): void {
  kaimingUniform(weight, { a: Math.sqrt(5), generator });
  if (bias) uniform(bias, 1 / Math.sqrt(fans(weight.shape).fanIn), generator);
}

function kaimingStd(shape: Shape, { a = 0, mode = 'fanIn' }: KaimingOptions): number {
  const fan = fans(shape)[mode];
  if (!Number.isFinite(a)) throw new ArgumentError(`kaiming: slope a is ${a}; expected a finite number`);
  return fan === 0 ? 0 : Math.sqrt(2 / (1 + a * a) / fan);
}

function chosen(tensor: Tensor, generator: Generator | undefined): Generator {
  return generator ?? generatorOf(tensor.device, 'init');
}

function overwrite(tensor: Tensor, values: Tensor): Tensor {
  tensor.copyFrom(values);
  values.dispose();
  return tensor;
}
