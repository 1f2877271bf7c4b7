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
export { loadCifar10, loadCifar100 } from './cifar.js';
export { dataFolder, type Split } from './data-folder.js';
export {
  DATASET_SOURCES,
  FETCHED_DATASETS,
  fetchDataset,
  type DatasetSource,
  type FetchOptions,
  type FetchedDataset,
  type SourceFile,
} from './dataset-sources.js';
export { decodeImage } from './decode-image.js';
export { download, type Checksum, type DownloadOptions, type DownloadSource } from './download.js';
export { classFolders, loadImageFolder, type ImageFolderOptions } from './image-folder.js';
export { loadFashionMnist, loadMnist, type MnistSplit } from './mnist.js';
