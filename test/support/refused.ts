import { expect } from 'vitest';
import { LimitError, type Device } from '../../engine/index.js';
import { arraysOf, uploadAll, type RecordCheck } from './records.js';

/** Whether this adapter lacks what the check needs; the op has to say so then. */
export function isRefused(device: Device, check: RecordCheck): boolean {
  if (!check.half || device.caps.f16) return false;
  expect(() => check.call(uploadAll(device, check, arraysOf(check)))).toThrow(LimitError);
  return true;
}
