import { Device } from '../../engine/index.js';
import '../../engine/ops/methods.js';
import { requestGpuAdapter } from '../../node/adapter.js';

/** A device on the adapter that this test row is for. */
export async function testDevice(): Promise<Device> {
  const { adapter } = await requestGpuAdapter();
  return Device.create(adapter);
}
