import { Device } from '../../engine/index.js';
import '../../engine/ops/methods.js';
import { testAdapter } from './adapter.js';

/** A device on the adapter that this test row is for. */
export async function testDevice(): Promise<Device> {
  return Device.create(await testAdapter());
}
