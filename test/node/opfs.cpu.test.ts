import { expect, it } from 'vitest';
import { listOPFS, loadFromOPFS, removeFromOPFS, saveToOPFS } from '../../data/opfs.js';

it('says that Node.js has no origin private file system', async () => {
  const unavailable = { name: 'StorageError', reason: 'unavailable' };
  await expect(saveToOPFS('a', new Uint8Array(1))).rejects.toMatchObject(unavailable);
  await expect(loadFromOPFS('a')).rejects.toMatchObject(unavailable);
  await expect(removeFromOPFS('a')).rejects.toMatchObject(unavailable);
  await expect(listOPFS()).rejects.toMatchObject(unavailable);
});
