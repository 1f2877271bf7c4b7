import type { Device } from '../engine/device.js';
import type { KernelCheck } from '../engine/verify/verify.js';

/**
 * Runs every kernel on `device` and compares it with the CPU in float64: whether this GPU and its driver can be trusted with the
 * rest. Takes some seconds on a software adapter. An error of one kernel is a check that failed; it does not keep the others
 * from running.
 *
 * @param onCheck called with each check as it ends; what it throws ends the test
 */
export async function verifyDevice(device: Device, onCheck?: (check: KernelCheck) => void): Promise<KernelCheck[]> {
  const { EVERY_CASE, verifyKernels } = await import('./verify-cases.js');
  return verifyKernels(device, EVERY_CASE, onCheck);
}
