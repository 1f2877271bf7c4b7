/** What bulwark needs of Node.js: an adapter, and files. Everything else is in the main entry, which runs in browsers too. */
export {
  ADAPTER_NAMES,
  requestGpuAdapter,
  type AdapterChoice,
  type AdapterKind,
  type AdapterOptions,
  type ChosenAdapter,
} from './adapter.js';
export { createDevice, init } from './init.js';
export { variantFiles } from './variant-cache.js';
export { loadMnist, type MnistSplit } from './mnist.js';
