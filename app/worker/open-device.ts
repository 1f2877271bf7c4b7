// With the methods of tensors, which the library's own files count on.
import { Device } from '../../engine/index.js';
import { NoAdapterError } from '../../engine/errors.js';
import { indexedDBVariants, useVariantStore } from '../../engine/variant-store.js';

/**
 * This browser's adapter, and a device on it, which goes by the variants of kernels that were measured here before. For workers.
 *
 * @throws NoAdapterError where there is none
 */
export async function openAdapter(): Promise<{ readonly adapter: GPUAdapter; readonly device: Device }> {
  // Types know browsers with WebGPU only.
  const gpu = navigator.gpu as GPU | undefined;
  const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new NoAdapterError('no WebGPU adapter; a GPU driver or a browser with WebGPU is needed');
  const device = await Device.create(adapter);
  await useVariantStore(device, indexedDBVariants());
  return { adapter, device };
}

/** The device of {@link openAdapter}, which throws as this does. */
export async function openDevice(): Promise<Device> {
  return (await openAdapter()).device;
}
