import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyDevice } from '../../adversarial/index.js';
import { relativeError } from '../../engine/verify/verify.js';
import type { Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('verifyDevice', () => {
  it('passes every kernel on this adapter, reports each as it ends, and frees what it made', async () => {
    const seen: string[] = [];
    const kernels = new Set<string>();
    const before = device.memory().tensors;
    const dispatch = device.dispatch.bind(device);
    device.dispatch = (call) => {
      kernels.add(call.kernel.name);
      dispatch(call);
    };
    const prepare = device.prepare.bind(device);
    device.prepare = (commands) => {
      for (const command of commands) if (command.kind === 'dispatch') kernels.add(command.dispatch.kernel.name);
      return prepare(commands);
    };
    const checks = await verifyDevice(device, ({ name }) => seen.push(name));
    Object.assign(device, { dispatch, prepare });
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(seen).toEqual(checks.map(({ name }) => name));
    const files = Object.keys(import.meta.glob('../../shaders/*.wgsl'));
    // Functions that are spliced into other kernels.
    const missed = files.map((file) => file.replace(/^.*\/(.*)\.wgsl$/, '$1')).filter((name) => !kernels.has(name));
    expect(missed).toEqual(['elementwise', 'mutual_information_term']);
    // The quantile table of randn stays for the device's life.
    expect(device.memory().tensors - before).toBeLessThanOrEqual(1);
  });

  it('reports a kernel that cannot run as failed, and goes on', async () => {
    const dispatch = device.dispatch.bind(device);
    device.dispatch = (call) => {
      if (call.kernel.name === 'softmax') throw new Error('no softmax here');
      dispatch(call);
    };
    try {
      const failed = (await verifyDevice(device)).filter(({ passed }) => !passed);
      expect(failed.map(({ name }) => name)).toContain('softmax and log-softmax');
      expect(failed.find(({ name }) => name.startsWith('softmax'))?.failure).toBe('no softmax here');
      expect(failed.map(({ name }) => name)).not.toContain('random numbers, bit for bit');
    } finally {
      device.dispatch = dispatch;
    }
  });
});

describe('relativeError', () => {
  it('is relative to the largest expected magnitude', () => {
    expect(relativeError([1, 4.5], [1, 5])).toBeCloseTo(0.1);
    expect(relativeError([0, 0], [0, 0])).toBe(0);
  });

  it('is infinite for NaN and for missing elements', () => {
    expect(relativeError([NaN], [1])).toBe(Infinity);
    expect(relativeError([1], [1, 2])).toBe(Infinity);
    expect(relativeError([1], [0])).toBe(Infinity);
  });
});
