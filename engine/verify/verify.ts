import type { Device } from '../device.js';
import { Tensor } from '../tensor.js';
import type { KernelCase } from './kernel-case.js';
import type { Values } from './reference.js';

/** How one kernel family did in the self-test. */
export interface KernelCheck {
  readonly name: string;
  readonly passed: boolean;
  /** The worst error, as a part of the largest expected magnitude; NaN where the kernel could not run. */
  readonly error: number;
  /** The largest error allowed; 0 where the bits have to agree. */
  readonly tolerance: number;
  /** Why it could not run, where it could not. */
  readonly failure?: string;
}

/**
 * Runs each case once on `device` and compares it with the CPU in float64. An error of one kernel is a check that failed; it does
 * not keep the others from running.
 *
 * @param onCheck called with each check as it ends; what it throws ends the test
 */
export async function verifyKernels(
  device: Device,
  cases: readonly KernelCase[],
  onCheck?: (check: KernelCheck) => void,
): Promise<KernelCheck[]> {
  const checks: KernelCheck[] = [];
  for (const kernelCase of cases) {
    const check = await verifyOne(device, kernelCase);
    checks.push(check);
    onCheck?.(check);
  }
  return checks;
}

async function verifyOne(device: Device, { name, tolerance, run }: KernelCase): Promise<KernelCheck> {
  try {
    const error = await device.scope(async () => {
      const errors: number[] = [];
      for (const { got, expected } of await run(device)) {
        errors.push(relativeError(got instanceof Tensor ? await got.data() : got, expected));
      }
      return Math.max(...errors);
    });
    return { name, passed: error <= tolerance, error, tolerance };
  } catch (cause) {
    const failure = cause instanceof Error ? cause.message : String(cause);
    return { name, passed: false, error: NaN, tolerance, failure };
  }
}

/** The largest difference over the largest expected magnitude; infinite where there is a NaN or a missing element. */
export function relativeError(got: Values, expected: Values): number {
  if (got.length !== expected.length) return Infinity;
  let [worst, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((got[i] ?? NaN) - (expected[i] ?? NaN));
    if (Number.isNaN(difference)) return Infinity;
    worst = Math.max(worst, difference);
    largest = Math.max(largest, Math.abs(expected[i] ?? 0));
  }
  return worst === 0 ? 0 : worst / largest;
}
