import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { verifyDevice } from '../../adversarial/index.js';
import type { Device } from '../../engine/index.js';
import { publishedText } from '../../scripts/wgsl.mjs';
import { testDevice } from '../support/device.js';

// Every kernel of this file is compiled from the text that is published.
vi.mock(import('../../engine/template.js'), async (original) => {
  const { specialise } = await original();
  return { specialise: (name, source, constants) => specialise(name, publishedText(source), constants) };
});

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('the kernels as they are published', () => {
  it('compute what they should', async () => {
    const checks = await verifyDevice(device);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.length).toBeGreaterThan(20);
  });
});
