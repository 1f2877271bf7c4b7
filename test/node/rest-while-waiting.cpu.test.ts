import { setTimeout as after } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { restWhileWaiting } from '../../node/rest-while-waiting.js';

/** Classes like those of Dawn, whose promises take 20 ms. */
function classes() {
  class GPUBuffer {
    readonly asked: unknown[][] = [];
    async mapAsync(...range: unknown[]): Promise<undefined> {
      this.asked.push(range);
      // Mode 2 is done at once.
      if (range[0] !== 2) await after(20);
      if (range[0] === 0) throw new RangeError('mode 0');
    }
  }
  class GPUQueue {
    count = 0;
    async onSubmittedWorkDone(): Promise<undefined> {
      await after(20);
      this.count++;
    }
  }
  return { GPUBuffer, GPUQueue };
}

describe('waiting for the GPU', () => {
  it('gives what was awaited, also side by side, and passes errors on', async () => {
    const { GPUBuffer, GPUQueue } = classes();
    restWhileWaiting({ GPUBuffer, GPUQueue });
    const [buffer, queue] = [new GPUBuffer(), new GPUQueue()];
    await Promise.all([buffer.mapAsync(1, 0, 16), queue.onSubmittedWorkDone(), queue.onSubmittedWorkDone()]);
    expect(buffer.asked).toEqual([[1, 0, 16]]);
    expect(queue.count).toBe(2);
    await expect(buffer.mapAsync(0)).rejects.toThrow('mode 0');
  });

  it('rests once in a turn, however many waits there were before', async () => {
    const { GPUBuffer, GPUQueue } = classes();
    restWhileWaiting({ GPUBuffer, GPUQueue });
    const turns = vi.spyOn(globalThis, 'setImmediate');
    try {
      // One follows the other before the next turn.
      for (let wait = 0; wait < 20; wait++) await new GPUBuffer().mapAsync(2);
      turns.mockClear();
      const last = new GPUBuffer().mapAsync(1);
      await new Promise((resolve) => setImmediate(resolve));
      expect(turns.mock.calls.length).toBeLessThanOrEqual(3);
      await last;
    } finally {
      turns.mockRestore();
    }
  });

  it('rests for a moment in each turn of the event loop, and no longer than it waits', async () => {
    const { GPUBuffer, GPUQueue } = classes();
    restWhileWaiting({ GPUBuffer, GPUQueue });
    const { mapAsync } = GPUBuffer.prototype;
    restWhileWaiting({ GPUBuffer, GPUQueue });
    expect(GPUBuffer.prototype.mapAsync).toBe(mapAsync);
    const rests = vi.spyOn(Atomics, 'wait');
    try {
      await new GPUBuffer().mapAsync(1);
      expect(rests).toHaveBeenCalled();
      for (const [, , , length] of rests.mock.calls) expect(length).toBeLessThanOrEqual(0.25);
      await after(5);
      rests.mockClear();
      await after(20);
      expect(rests).not.toHaveBeenCalled();
    } finally {
      rests.mockRestore();
    }
  });
});
