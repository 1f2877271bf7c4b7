/// <reference lib="esnext.disposable" preserve="true" />
/** bulwark: adversarial training on WebGPU. This entry runs in browsers and in Node.js; `bulwark/node` finds a device. */
export * from './engine/index.js';
export * from './nn/index.js';
export * from './data/augmentation.js';
export * from './data/cifar.js';
export * from './data/cifar-classes.js';
export * from './data/color-jitter.js';
export * from './data/cutout.js';
export * from './data/dataset.js';
export * from './data/gzip.js';
export * from './data/idx.js';
export * from './data/loader.js';
export * from './data/mnist.js';
export { namedBytes } from './data/named-bytes.js';
export * from './data/opfs.js';
export * from './data/resize.js';
export * from './data/shapes32.js';
export * from './data/split.js';
export * from './data/tar.js';
export * from './adversarial/index.js';
