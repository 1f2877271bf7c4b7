import { requestGpuAdapter } from '../../node/adapter.js';

/** The adapter of this test row: what `BULWARK_ADAPTER` names. In a browser, `adapter.browser.ts` takes this file's place. */
export async function testAdapter(): Promise<GPUAdapter | null> {
  return (await requestGpuAdapter()).adapter;
}
