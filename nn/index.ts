/** Layers, initialisation, optimisers, models and checkpoints. */
export * as init from './init.js';
export type { FanMode, KaimingOptions } from './init.js';
export { ELU, GELU, LeakyReLU, ReLU, SiLU, Sigmoid, Softplus, Tanh } from './layers/activation.js';
export { BatchNorm2d, type BatchNorm2dOptions } from './layers/batch-norm.js';
export { Conv2d, type Conv2dOptions } from './layers/conv.js';
export { ConvTranspose2d, type ConvTranspose2dOptions } from './layers/conv-transpose.js';
export { Dropout, type DropoutLayerOptions } from './layers/dropout.js';
export { Embedding, type EmbeddingLayerOptions } from './layers/embedding.js';
export { Flatten } from './layers/flatten.js';
export { Linear, type LinearOptions } from './layers/linear.js';
export { GroupNorm, InstanceNorm2d, LayerNorm, type NormLayerOptions } from './layers/norm.js';
export {
  CIFAR100_STATISTICS,
  CIFAR10_STATISTICS,
  Normalize,
  type ChannelStatistics,
  type NormalizeOptions,
} from './layers/normalize.js';
export { AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d } from './layers/pool.js';
export type { AvgPool2dOptions, MaxPool2dOptions } from './layers/pool.js';
export { Sequential } from './layers/sequential.js';
export { CNN4_INITS, Cnn4, cnn4, type Cnn4Init, type Cnn4Options, type Cnn4WidthOptions } from './models/cnn4.js';
export { ACTIVATIONS, type ActivationName } from './models/activation.js';
export { normalized } from './models/normalized.js';
export { PreActNet, type PreActLayout, type PreActOptions } from './models/pre-activation.js';
export { PreActResNet, preactResnet18, type PreActResNetOptions } from './models/preact-resnet.js';
export { MODELS, modelEntry, modelNamed, type ModelEntry, type ModelSource } from './models/registry.js';
export { ResNet, resnet18, resnet50, type ResNetBlock, type ResNetOptions } from './models/resnet.js';
export type { ResidualOptions, StridePadding } from './models/residual.js';
export { WideResNet, wrn, type WideResNetOptions } from './models/wrn.js';
export {
  NORMALIZATION_KEYS,
  describeModel,
  fitTensors,
  modelDescriptionOf,
  modelMetadata,
  modelOfFile,
  type KnownModel,
  type ModelDescription,
  type ModelFile,
} from './model-file.js';
export { modelBlob, readModelBlob } from './model-blob.js';
export { keepStatistics } from './keep-statistics.js';
export { Module } from './module.js';
export { updateBatchNorm } from './update-batch-norm.js';
export {
  CosineSchedule,
  CyclicSchedule,
  StepSchedule,
  TrapezoidSchedule,
  scheduleOf,
  type CosineScheduleOptions,
  type CyclicScheduleOptions,
  type Schedule,
  type ScheduleConfig,
  type SchedulePlace,
  type StepScheduleOptions,
  type TrapezoidScheduleOptions,
} from './optim/schedule.js';
export { Adam, AdamW, type AdamOptions } from './optim/adam.js';
export { clipGradNorm, clipGradValue, type ClippedGradients } from './optim/clip.js';
export { EMA, type EMAOptions } from './optim/ema.js';
export { Optimizer, type OptimizerStepOptions, type OptimizerStepResult } from './optim/optimizer.js';
export { RMSprop, type RMSpropOptions } from './optim/rmsprop.js';
export { ParameterAverage, type ParameterAverageOptions } from './optim/parameter-average.js';
export { SGD, type SGDOptions } from './optim/sgd.js';
export { SWA, type SWAOptions } from './optim/swa.js';
export { mapKeys } from './pytorch/map-keys.js';
export type {
  IgnoredKey,
  KeyMapping,
  MapKeysOptions,
  NamedShapes,
  NamedValues,
  NormalizationConstants,
} from './pytorch/map-keys.js';
export { isPyTorch, readPyTorch, type PyTorchCheckpoint } from './pytorch/read.js';
export { stateDictOf, type StateDictOfOptions } from './pytorch/state-dict-of.js';
export type { PyTorchValue } from './pytorch/value.js';
export * from './safetensors.js';
export { StateDictError, loadTensors, readTensors, saveStateDict } from './state-dict.js';
export type { LoadOptions, LoadReport, StateDict } from './state-dict.js';
export { formatSummary, summary, type Summary, type SummaryOptions, type SummaryRow } from './summary.js';
