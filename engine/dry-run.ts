import { Capture } from './capture.js';
import type { Device } from './device.js';
import { latestTensorId } from './tensor.js';

/**
 * Runs the synchronous `fn` on memory that is not there: shapes, errors and what an inspector sees are those of a real run, but nothing
 * is computed, allocated or drawn, and no tensor from before changes its values. Tensors that `fn` makes end with it; what it returns must
 * hold none of them.
 */
export function dryRun<T>(device: Device, fn: () => T): T {
  const capture = new Capture(latestTensorId());
  try {
    return device.scope(() => device.capture(capture, fn));
  } finally {
    capture.release();
  }
}
