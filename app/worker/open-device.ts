import { Device } from '../../engine/device.js';
import { indexedDBVariants, useVariantStore } from '../../engine/variant-store.js';

/** A device on this browser's adapter, which goes by the variants of kernels that were measured here before. For workers. */
export async function openDevice(): Promise<Device> {
  // Types know browsers with WebGPU only.
  const gpu = navigator.gpu as GPU | undefined;
  const device = await Device.create((await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? null);
  await useVariantStore(device, indexedDBVariants());
  return device;
}
