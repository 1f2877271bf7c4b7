import { afterEach, describe, expect, it } from 'vitest';
import { OutOfMemoryError, keep, zeros, type Device, type Tensor } from '../../engine/index.js';
import { ownDevice } from '../support/device.js';

/** Dawn's null backend has 512 MiB of memory, and means it: four of these, which are a size class of their own. */
const PIECE = 112 * 2 ** 20;

let device: Device;
afterEach(() => {
  device.destroy();
});

const piece = (): Tensor => keep(device.empty([PIECE / 4]));
const four = (): Tensor[] => [piece(), piece(), piece(), piece()];

describe('a GPU without memory left', () => {
  it('is an OutOfMemoryError with the numbers at the next await, and can be used again', async () => {
    device = await ownDevice();
    const held = four();
    await device.sync();
    const refused = piece();
    await expect(device.sync()).rejects.toThrow(
      new OutOfMemoryError(
        `the GPU has no memory for a buffer of ${PIECE} bytes beside ${4 * PIECE} in use; use smaller batches, or free ` +
          'tensors sooner (0 bytes kept for reuse were given back)',
      ),
    );
    refused.dispose();
    expect(device.memory()).toMatchObject({ live: 4 * PIECE, pooled: 0, buffers: 4 });
    // The buffer without memory is not handed out again.
    for (const tensor of held) tensor.dispose();
    await device.sync();
    const again = piece();
    again.add(1);
    await device.sync();
    expect(device.memory().live).toBeGreaterThanOrEqual(PIECE);
  });

  it('is told of operations too, wherever they wait next', async () => {
    device = await ownDevice();
    const held = four();
    const sum = held[0]?.add(1);
    await expect(sum?.sum().item()).rejects.toThrow(OutOfMemoryError);
    expect(await zeros([3], { device }).add(1).data()).toHaveLength(3);
  });

  it('takes back what was kept for reuse', async () => {
    device = await ownDevice();
    for (const tensor of four()) tensor.dispose();
    expect(device.memory()).toMatchObject({ live: 0, pooled: 4 * PIECE, buffers: 4 });
    // Of another size class, so that neither of them serves.
    const small = keep(device.empty([(PIECE / 4) * 0.7]));
    await expect(device.sync()).rejects.toThrow(/\(469762048 bytes kept for reuse were given back\)/);
    expect(device.memory().pooled).toBe(0);
    small.dispose();
    keep(device.empty([(PIECE / 4) * 0.7]));
    await device.sync();
  });

  it('empties on demand', async () => {
    device = await ownDevice();
    piece().dispose();
    device.emptyCache();
    expect(device.memory()).toMatchObject({ live: 0, pooled: 0, buffers: 0 });
    keep(device.empty([PIECE / 4]));
    await device.sync();
  });
});
