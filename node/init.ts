import { Device, useVariantStore } from '../engine/index.js';
import { requestGpuAdapter, type AdapterOptions } from './adapter.js';
import { variantFiles } from './variant-cache.js';

/**
 * A device on the best adapter here: a GPU, else an installed lavapipe, else the SwiftShader of `@sparticuz/chromium`;
 * `options.adapter` or the environment variable `BULWARK_ADAPTER` takes one by name.
 *
 * Throws a `NoAdapterError` that says what to install where there is none.
 */
export async function init(options: AdapterOptions = {}): Promise<Device> {
  const { adapter } = await requestGpuAdapter(options);
  return createDevice(adapter);
}

/** A device on an adapter, which goes by the variants of kernels that were measured to be fastest there. */
export async function createDevice(adapter: GPUAdapter): Promise<Device> {
  const device = await Device.create(adapter);
  await useVariantStore(device, variantFiles());
  return device;
}
