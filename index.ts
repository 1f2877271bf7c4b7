/** bulwark: adversarial training on WebGPU. This entry runs in browsers and in Node.js; `bulwark/node` finds a device. */
export * from './engine/index.js';
