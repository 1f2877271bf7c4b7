import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ArgumentError, NoAdapterError } from '../../engine/errors.js';
import { requestGpuAdapter } from '../../node/adapter.js';

const row = process.env['BULWARK_ADAPTER'];

/** What the device reads back of a buffer that was written. */
async function roundTrip(adapter: GPUAdapter): Promise<number[]> {
  const device = await adapter.requestDevice();
  const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8 };
  const source = device.createBuffer({ size: 16, usage: usage.copySource | usage.copyTarget });
  const target = device.createBuffer({ size: 16, usage: usage.mapRead | usage.copyTarget });
  device.queue.writeBuffer(source, 0, Uint32Array.of(1, 2, 3, 4));
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, target, 0, 16);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(usage.mapRead);
  const read = Array.from(new Uint32Array(target.getMappedRange()));
  device.destroy();
  return read;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('requestGpuAdapter', () => {
  it('takes the adapter that BULWARK_ADAPTER names, as often as it is asked', async () => {
    const { adapter, choice } = await requestGpuAdapter();
    expect(choice.kind).toBe(row);
    expect(choice.driver).not.toBe('');
    expect(choice.faster === undefined).toBe(row === 'gpu');
    expect(await roundTrip(adapter)).toEqual([1, 2, 3, 4]);
    const again = await requestGpuAdapter();
    expect(again.choice).toEqual(choice);
    expect(await roundTrip(again.adapter)).toEqual([1, 2, 3, 4]);
  });

  it('gives different adapters side by side, and leaves the environment as it was', async () => {
    const before = { ...process.env };
    const chosen = await Promise.all([
      requestGpuAdapter(),
      requestGpuAdapter({ adapter: 'null' }),
      requestGpuAdapter(),
    ]);
    expect(chosen.map(({ choice }) => choice.kind)).toEqual([row, 'null', row]);
    expect({ ...process.env }).toEqual(before);
  });

  it('refuses a name that it does not know', async () => {
    vi.stubEnv('BULWARK_ADAPTER', 'voodoo');
    await expect(requestGpuAdapter()).rejects.toThrow(
      new ArgumentError("BULWARK_ADAPTER: unknown adapter 'voodoo'; it takes auto, gpu, lavapipe, swiftshader, null"),
    );
  });

  it.runIf(process.platform === 'linux')('passes over a driver that does not work', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bulwark-adapter-'));
    const icd = join(folder, 'broken_icd.json');
    await writeFile(
      icd,
      JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: './none.so', api_version: '1.3.0' } }),
    );
    vi.stubEnv('VK_DRIVER_FILES', icd);
    const gpu = requestGpuAdapter({ adapter: 'gpu' });
    await expect(gpu).rejects.toThrow(NoAdapterError);
    await expect(gpu).rejects.toThrow(/^adapter gpu: no GPU .*\n.*BULWARK_ADAPTER=auto$/);
    if (row === 'swiftshader') {
      const { adapter, choice } = await requestGpuAdapter({ adapter: 'auto' });
      expect(choice).toMatchObject({ kind: 'swiftshader', reason: 'Dawn accepts no installed Vulkan driver' });
      expect(await roundTrip(adapter)).toEqual([1, 2, 3, 4]);
    }
    await rm(folder, { recursive: true });
  });
});
