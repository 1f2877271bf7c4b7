import { create, globals } from 'webgpu';
import { Device } from '../../engine/index.js';
import '../../engine/ops/methods.js';

Object.assign(globalThis, globals);
process.env['XDG_RUNTIME_DIR'] ??= '/tmp';
const row = process.env['BULWARK_ADAPTER'] ?? 'lavapipe';
if (row === 'swiftshader') process.env['VK_ICD_FILENAMES'] = '/tmp/exp/ss/vk_swiftshader_icd.json';
// The GPU object must outlive the device.
const gpu = create(row === 'null' ? ['backend=null'] : []);

/** A device on the adapter that this test row is for. */
export async function testDevice(): Promise<Device> {
  return Device.create(await gpu.requestAdapter());
}
