import { Device } from '../engine/index.js';
import { requestGpuAdapter, type AdapterOptions } from './adapter.js';

/**
 * A device on the best adapter here: a GPU, else an installed lavapipe, else the SwiftShader of `@sparticuz/chromium`;
 * `options.adapter` or the environment variable `BULWARK_ADAPTER` takes one by name.
 *
 * Throws a `NoAdapterError` that says what to install where there is none.
 */
export async function init(options: AdapterOptions = {}): Promise<Device> {
  const { adapter } = await requestGpuAdapter(options);
  return Device.create(adapter);
}
