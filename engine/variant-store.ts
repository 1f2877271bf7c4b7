import type { Device } from './device.js';
import { adapterKey, type VariantEntries, type VariantStore } from './variants.js';

/** Has a device go by what was measured on its adapter before, and keep there what will be. */
export async function useVariantStore(device: Device, store: VariantStore): Promise<void> {
  device.variants.store = store;
  const entries = await store.load(adapterKey(device.caps));
  if (entries) device.variants.load(entries);
}

const OBJECTS = 'variants';

/** Chosen variants in the browser's IndexedDB, in the database `name`. Where that is switched off, nothing is kept. */
export function indexedDBVariants(name = 'bulwark'): VariantStore {
  return {
    load: (adapter) =>
      withObjects(name, 'readonly', (objects) => objects.get(adapter) as IDBRequest<VariantEntries | undefined>),
    save: async (adapter, entries) => {
      await withObjects(name, 'readwrite', (objects) => objects.put(entries, adapter));
    },
  };
}

/** The result of one request to the database; undefined where there is none to be had. */
async function withObjects<T>(
  name: string,
  mode: IDBTransactionMode,
  ask: (objects: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  try {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(OBJECTS);
    const database = await settled(opening);
    try {
      return await settled(ask(database.transaction(OBJECTS, mode).objectStore(OBJECTS)));
    } finally {
      database.close();
    }
  } catch {
    // A cache that cannot be read or written is no reason to stop: private windows have none.
    return undefined;
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB gave no reason'));
  });
}
