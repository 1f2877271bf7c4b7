/** Layers, initialisation, optimisers, models and checkpoints. */
export * as init from './init.js';
export type { FanMode, KaimingOptions } from './init.js';
export { ReLU } from './layers/activation.js';
export { BatchNorm2d, type BatchNorm2dOptions } from './layers/batch-norm.js';
export { Conv2d, type Conv2dOptions } from './layers/conv.js';
export { Dropout, type DropoutLayerOptions } from './layers/dropout.js';
export { Flatten } from './layers/flatten.js';
export { Linear, type LinearOptions } from './layers/linear.js';
export { MaxPool2d, type MaxPool2dOptions } from './layers/pool.js';
export { Sequential } from './layers/sequential.js';
export { CNN4_INITS, Cnn4, cnn4, type Cnn4Init, type Cnn4Options, type Cnn4WidthOptions } from './models/cnn4.js';
export { Module } from './module.js';
export {
  StepSchedule,
  TrapezoidSchedule,
  type Schedule,
  type SchedulePlace,
  type StepScheduleOptions,
  type TrapezoidScheduleOptions,
} from './optim/schedule.js';
export { Adam, AdamW, type AdamOptions } from './optim/adam.js';
export { Optimizer } from './optim/optimizer.js';
export { SGD, type SGDOptions } from './optim/sgd.js';
export * from './safetensors.js';
export { StateDictError, loadTensors, readTensors, saveStateDict } from './state-dict.js';
export type { LoadOptions, LoadReport, StateDict } from './state-dict.js';
