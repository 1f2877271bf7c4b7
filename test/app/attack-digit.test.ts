import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attackDigit } from '../../app/rooms/attack/attack-digit.js';
import { ATTACKS, mostLikely, type AttackName, type AttackRequest } from '../../app/rooms/attack/attacks.js';
import { firstOfEach, type ShippedDigit } from '../../app/rooms/attack/first-of-each.js';
import { LARGEST_MODEL } from '../../app/size-limit.js';
import { ModelShelf } from '../../app/worker/model-shelf.js';
import { balancedSubset } from '../../data/split.js';
import type { Device } from '../../engine/index.js';
import type { Module } from '../../nn/index.js';
import { loadMnist } from '../../node/mnist.js';
import { testDevice } from '../support/device.js';

/** Where the room begins. */
const EPS = 0.25;

const MODELS = new URL('../../app/public/models/', import.meta.url);

let device: Device;
let shelf: ModelShelf;
let plain: Module;
let robust: Module;
let digits: ShippedDigit[];
beforeAll(async () => {
  device = await testDevice();
  shelf = new ModelShelf();
  plain = shelf.add('Plain', await readFile(new URL('plain.safetensors', MODELS)), device);
  robust = shelf.add('MIMAE-AT', await readFile(new URL('mimae-at.safetensors', MODELS)), device);
  digits = firstOfEach(balancedSubset(await loadMnist('test'), 100));
});
afterAll(() => {
  device.destroy();
});

const request = (digit: number, changes: Partial<AttackRequest> = {}): AttackRequest => ({
  ...{ attack: 'pgd', eps: EPS, steps: 10, pixels: new Float32Array(784), label: undefined },
  ...digits.find(({ label }) => label === digit),
  ...changes,
});

describe('an attack on a digit of the page', () => {
  it('fools the plain model and not the robust one', async () => {
    let count = 0;
    for (const { label } of digits) {
      const [fooled, withstood] = [
        await attackDigit(plain, device, request(label)),
        await attackDigit(robust, device, request(label)),
      ];
      const flips = ({ before, after }: typeof fooled): boolean => mostLikely(before) !== mostLikely(after);
      if (flips(fooled) && !flips(withstood)) count++;
    }
    expect(count).toBeGreaterThanOrEqual(7);
  });

  it.each(Object.keys(ATTACKS) as AttackName[])(
    '%s: gives the same twice, keeps within eps, and ends where its path ends',
    async (attack) => {
      const asked = request(4, { attack, steps: 3 });
      const before = device.memory().tensors;
      const outcome = await attackDigit(plain, device, asked);
      expect(await attackDigit(plain, device, asked)).toEqual(outcome);
      expect(device.memory().tensors).toBe(before);
      const { pixels, path, after, distance } = outcome;
      expect(pixels.every((value) => value >= 0 && value <= 1)).toBe(true);
      if (ATTACKS[attack].bounded) expect(distance).toBeLessThanOrEqual(EPS + 1e-6);
      expect(distance).toBeGreaterThan(0);
      expect(path.length).toBe(ATTACKS[attack].steps === undefined ? 2 : 4);
      const [end = NaN] = path.slice(-1);
      const others = Math.max(...after.filter((_, k) => k !== 4));
      const expected =
        attack === 'cw' || attack === 'deepfool' ? Math.log(others / (after[4] ?? 0)) : -Math.log(after[4] ?? 0);
      expect(end).toBeCloseTo(expected, 3);
      expect(end).toBeGreaterThan(path[0] ?? Infinity);
    },
  );

  it('leads a picture of nobody knows what away from what the model says', async () => {
    const known = await attackDigit(plain, device, request(3));
    expect(await attackDigit(plain, device, request(3, { label: undefined }))).toEqual(known);
  });

  it('changes nothing at eps 0', async () => {
    for (const attack of ['fgsm', 'bim', 'rfgsm', 'ffgsm', 'pgd', 'cw'] as const) {
      const { distance, before, after } = await attackDigit(robust, device, request(7, { attack, eps: 0 }));
      expect(distance).toBe(0);
      expect(mostLikely(after)).toBe(mostLikely(before));
    }
  });

  it('keeps the models that it has where another is refused', () => {
    for (const [bytes, said] of [
      [new Uint8Array(LARGEST_MODEL + 1), /^Plain: has 49 MiB; at most 48 MiB are taken\.$/],
      [new Uint8Array(4), /^Plain: ends at byte 4/],
    ] as const) {
      expect(() => shelf.add('Plain', bytes, device)).toThrow(said);
    }
    expect(shelf.model('Plain', device)).toBe(plain);
    expect(() => shelf.add('new', new Uint8Array(4), device)).toThrow(/^new: /);
    expect(shelf.has('new')).toBe(false);
  });
});
