import { Device } from '../../engine/index.js';
import '../../engine/ops/methods.js';
import { testAdapter } from './adapter.js';
import { borrowed } from './borrowed.js';

let shared: Promise<GPUDevice> | undefined;

/**
 * A device on the adapter that this test row is for. It shares its GPUDevice with those of the process's other tests, whose drivers have
 * compiled most kernels already; memory, caches and counts are its own.
 */
export async function testDevice(): Promise<Device> {
  shared ??= ownDevice().then(({ gpu }) => gpu);
  return Device.wrap(borrowed(await shared));
}

/** The same on a GPUDevice of its own: to be lost, changed or driven into faults, or to be another one than a test's first. */
export async function ownDevice(): Promise<Device> {
  return Device.create(await testAdapter());
}
