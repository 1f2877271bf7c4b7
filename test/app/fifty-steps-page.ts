/** `fiftySteps` for a page: on the browser's adapter. */
import { Device } from '../../engine/index.js';
import { fiftySteps } from './fifty-steps.js';

/** The run, as plain numbers. */
export async function run(): ReturnType<typeof fiftySteps> {
  const device = await Device.create(await navigator.gpu.requestAdapter());
  try {
    return await fiftySteps(device);
  } finally {
    device.destroy();
  }
}
