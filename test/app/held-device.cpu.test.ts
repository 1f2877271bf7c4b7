import { describe, expect, it } from 'vitest';
import { HeldDevice } from '../../app/worker/held-device.js';
import { DeviceLostError } from '../../engine/errors.js';

/** Devices that are numbers, counted as they are opened. */
function counted(): { held: HeldDevice<number>; opened: () => number } {
  let opened = 0;
  return { held: new HeldDevice(() => Promise.resolve(++opened)), opened: () => opened };
}

/** Work that loses each device up to a number. */
const losing = (upTo: number) => (device: number) =>
  device > upTo ? Promise.resolve(device) : Promise.reject(new DeviceLostError('gone'));

describe("a worker's device", () => {
  it('is opened once, when it is needed', async () => {
    const { held, opened } = counted();
    expect(opened()).toBe(0);
    expect(await Promise.all([1, 2, 3].map(() => held.use((device) => Promise.resolve(device))))).toEqual([1, 1, 1]);
  });

  it('is opened anew where it is lost, and the work done once more', async () => {
    const { held } = counted();
    expect(await held.use(losing(1))).toBe(2);
    expect(await held.use((device) => Promise.resolve(device))).toBe(2);
  });

  it('is given up in a sentence where it is lost again, and opened anew for what is asked next', async () => {
    const { held, opened } = counted();
    await expect(held.use(losing(9))).rejects.toThrow(/lost again when opened anew: load the page again\.$/);
    expect(opened()).toBe(2);
    expect(await held.use((device) => Promise.resolve(device))).toBe(3);
  });

  it('does one thing at a time, in order, and goes on after an error', async () => {
    const { held, opened } = counted();
    const log: string[] = [];
    const work =
      (name: string, fails = false) =>
      async () => {
        log.push(`${name} begins`);
        await Promise.resolve();
        log.push(`${name} ends`);
        if (fails) throw new Error(name);
      };
    const results = await Promise.allSettled([held.use(work('a', true)), held.use(work('b'))]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
    expect(opened()).toBe(1);
  });

  it('is looked for again where there was none', async () => {
    let tries = 0;
    const held = new HeldDevice(() =>
      ++tries === 1 ? Promise.reject(new Error('no adapter')) : Promise.resolve(tries),
    );
    const work = (device: number): Promise<number> => Promise.resolve(device);
    await expect(held.use(work)).rejects.toThrow('no adapter');
    expect(await held.use(work)).toBe(2);
  });
});
