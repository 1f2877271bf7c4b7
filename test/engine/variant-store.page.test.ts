import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { indexedDBVariants, useVariantStore, type Device } from '../../engine/index.js';
import { adapterKey } from '../../engine/variants.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
  indexedDB.deleteDatabase('variants-test');
});

describe("indexedDBVariants in the browser's own database", () => {
  it('keeps what was chosen, for each adapter, and the last choice counts', async () => {
    const store = indexedDBVariants('variants-test');
    expect(await store.load('a')).toBeUndefined();
    await store.save('a', { key: 'plain' });
    await store.save('b', { key: 'tiled' });
    await store.save('a', { key: 'winograd' });
    expect(await indexedDBVariants('variants-test').load('a')).toEqual({ key: 'winograd' });
    expect(await store.load('b')).toEqual({ key: 'tiled' });
  });

  it('gives a device what was chosen on its adapter before', async () => {
    const store = indexedDBVariants('variants-test');
    await store.save(adapterKey(device.caps), { 'some case': 'a variant' });
    await useVariantStore(device, store);
    expect(device.variants.entries()).toEqual({ 'some case': 'a variant' });
  });
});
