import type { Device } from '../engine/device.js';
import { createDevice } from '../node/init.js';
import '../engine/ops/methods.js';
import { requestGpuAdapter, type AdapterChoice, type AdapterOptions } from '../node/adapter.js';
import { BulwarkError } from '../engine/errors.js';

/** A device and how it was chosen. */
export interface OpenedDevice {
  readonly device: Device;
  readonly choice: AdapterChoice;
}

/** The device for `--adapter`. Throws a `NoAdapterError` where there is none. */
export async function openDevice(adapter: AdapterOptions['adapter']): Promise<OpenedDevice> {
  const { adapter: found, choice } = await requestGpuAdapter(adapter === undefined ? {} : { adapter });
  return { device: await createDevice(found), choice };
}

/** A device whose kernels compute: the null backend only checks calls. */
export async function openComputingDevice(adapter: AdapterOptions['adapter']): Promise<OpenedDevice> {
  const opened = await openDevice(adapter);
  if (opened.choice.kind !== 'null') return opened;
  opened.device.destroy();
  throw new BulwarkError('adapter null computes nothing, so there is nothing to train or to evaluate; choose another');
}
