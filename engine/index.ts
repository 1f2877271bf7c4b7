/** The engine: tensors on WebGPU, their operations and their derivatives. */
// Gives tensors their methods.
import './ops/methods.js';

export { detectAnomaly } from './anomaly.js';
export { backward, enableGrad, grad, noGrad, type BackwardOptions, type GradOptions } from './autograd.js';
export { checkpoint } from './checkpoint.js';
export { compile, type CompileOptions, type Compiled, type PlannedMemory } from './compile.js';
export { customOp, type CustomOp } from './custom-op.js';
export { Device, type Capabilities, type MemoryUsage } from './device.js';
export type { DType, TensorData } from './dtype.js';
export * from './errors.js';
export * from './functional.js';
export { gradcheck, gradgradcheck, type GradcheckOptions, type GradcheckResult } from './gradcheck.js';
export {
  defineKernel,
  foldWorkgroups,
  strideWorkgroups,
  type BufferRange,
  type Dispatch,
  type Kernel,
} from './kernel.js';
export { apply, applyOne, defineOp, registeredOps, type Op, type OutputSpec, type RunCall } from './op.js';
export type { BackwardCall, BackwardRule, InputDraw, OpSample, RegisteredOp } from './op.js';
export { tune, type TuneOptions, type Tuned } from './tune.js';
export { indexedDBVariants, useVariantStore } from './variant-store.js';
export { adapterKey, type Variant, type VariantEntries, type VariantStore } from './variants.js';
export { profile, type KernelCost, type Profile } from './profile.js';
export type { Counters } from './recorder.js';
export type { KernelCheck } from './verify/verify.js';
export type { DispatchTrace } from './timestamps.js';
export type { Shape } from './shape.js';
export { Tensor, keep, type GradHook, type NestedArray } from './tensor.js';
export type { Operand } from './ops/binary.js';
export * from './ops/create.js';
export * from './ops/elementwise.js';
export type { NoAttrs } from './ops/unary.js';
export * from './ops/activation.js';
export * from './ops/indexing.js';
export {
  concat,
  expand,
  flatten,
  permute,
  reshape,
  slice,
  squeeze,
  stack,
  transpose,
  unsqueeze,
  type Range,
} from './ops/movement.js';
export * from './ops/arrange.js';
export { argmax, argmin, max, mean, min, sum, type ReduceOptions } from './ops/reduce.js';
export * from './ops/statistics.js';
export * from './ops/sort.js';
export * from './ops/softmax.js';
export * from './ops/cross-entropy.js';
export * from './ops/losses.js';
export type { Reduction } from './ops/loss-reduction.js';
export type { Pair } from './ops/pair.js';
export * from './ops/max-pool.js';
export * from './ops/avg-pool.js';
export * from './ops/adaptive-pool.js';
export type { WindowOptions } from './ops/pool-window.js';
export { batchNorm2d, type BatchNormOptions } from './ops/norm.js';
export * from './ops/norm-groups.js';
export { Generator, PURPOSES } from './random.js';
export type { GeneratorOptions, GeneratorState, Purpose, Seed } from './random.js';
export * from './ops/random.js';
export { linear, matmul } from './ops/matmul.js';
export type { TensorMethods } from './ops/methods.js';
export * from './ops/mutual-information.js';
export * from './ops/boosted-cross-entropy.js';
export { conv2d, conv2dInputGrad, conv2dWeightGrad } from './ops/conv.js';
export { convTranspose2d } from './ops/conv-transpose.js';
