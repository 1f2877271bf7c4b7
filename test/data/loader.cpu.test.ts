import { describe, expect, it, vi } from 'vitest';
import { Dataset } from '../../data/dataset.js';
import { Loader, type Batch } from '../../data/loader.js';
import { ArgumentError } from '../../engine/errors.js';

/** Example i has the label i % 7 and the pixels i / 128 and 0. */
function toy(size: number): Dataset {
  return new Dataset({
    name: 'toy',
    images: Float32Array.from({ length: 2 * size }, (_, i) => (i % 2 === 0 ? i / 256 : 0)),
    labels: Array.from({ length: size }, (_, i) => i % 7),
    shape: [size, 2],
    classes: 7,
  });
}

async function collect(batches: AsyncIterable<Batch>, most = Infinity): Promise<Batch[]> {
  const found: Batch[] = [];
  for await (const batch of batches) {
    found.push(batch);
    if (found.length >= most) break;
  }
  return found;
}

describe('Loader', () => {
  it('gives each example once an epoch, with its own label and pixels', async () => {
    const loader = new Loader(toy(103), { batchSize: 10, seed: 4 });
    expect(loader.length).toBe(11);
    for (const epoch of [0, 1, 5]) {
      const batches = await collect(loader.epoch(epoch));
      expect(batches.map((batch) => batch.size)).toEqual([...Array<number>(10).fill(10), 3]);
      expect(batches.map((batch) => batch.position)).toEqual(batches.map((_, i) => i));
      const seen = batches.flatMap((batch) => [...batch.indices]);
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, i) => i));
      for (const { indices, images, labels, shape, size } of batches) {
        expect(shape).toEqual([size, 2]);
        expect([...labels]).toEqual(Array.from(indices, (i) => i % 7));
        expect([...images]).toEqual(Array.from(indices).flatMap((i) => [i / 128, 0]));
      }
    }
  });

  it('orders by seed and epoch alone', () => {
    const order = (seed: number, epoch: number): string =>
      new Loader(toy(50), { batchSize: 8, seed }).order(epoch).join();
    expect(order(1, 3)).toBe(order(1, 3));
    expect(new Set([order(1, 0), order(1, 1), order(2, 0), order(2, 1)]).size).toBe(4);
    const loader = new Loader(toy(50), { batchSize: 8, seed: 1 });
    loader.order(0).fill(0);
    loader.batch(7, 2);
    expect(loader.order(0).join()).toBe(order(1, 0));
    expect(new Loader(toy(50), { batchSize: 50 }).batch(2, 0).indices).toEqual(
      new Loader(toy(50), { batchSize: 5 }).order(2),
    );
  });

  it('keeps the order of the dataset where it is not to shuffle', () => {
    const loader = new Loader(toy(5), { batchSize: 2, shuffle: false });
    expect([0, 1, 2].map((position) => [...loader.batch(9, position).indices])).toEqual([[0, 1], [2, 3], [4]]);
  });

  it('can leave the smaller last batch out', () => {
    const options = { batchSize: 10, dropLast: true };
    expect(new Loader(toy(103), options).length).toBe(10);
    expect(new Loader(toy(100), options).length).toBe(10);
  });

  it('goes on from any place with the batches of the unbroken run', async () => {
    const loader = new Loader(toy(23), { batchSize: 5, seed: 6 });
    const unbroken = await collect(loader.batches(), 17);
    for (const steps of [0, 1, 4, 5, 6, 14]) {
      const from = loader.positionAfter(steps);
      const fresh = new Loader(toy(23), { batchSize: 5, seed: 6 });
      expect(await collect(fresh.batches(from), 17 - steps)).toEqual(unbroken.slice(steps));
      expect(loader.batch(from.epoch, from.position)).toEqual(unbroken[steps]);
    }
    expect(await collect(loader.epoch(2, 3))).toEqual(unbroken.slice(13, 15));
    expect(await collect(loader.epoch(2, 5))).toEqual([]);
  });

  it('gives prefetched batches once, the same as others', () => {
    const plain = new Loader(toy(23), { batchSize: 5, seed: 6 });
    const loader = new Loader(toy(23), { batchSize: 5, seed: 6 });
    for (let step = 0; step < 12; step++) {
      const { epoch, position } = loader.positionAfter(step);
      expect(loader.batch(epoch, position)).toEqual(plain.batch(epoch, position));
      loader.prefetch(loader.positionAfter(step + 1));
    }
    const gather = vi.spyOn(loader.dataset, 'gather');
    // The last one above was of step 12.
    const first = loader.batch(2, 2);
    expect(gather).not.toHaveBeenCalled();
    first.images.fill(9);
    expect(loader.batch(2, 2)).toEqual(plain.batch(2, 2));
    expect(gather).toHaveBeenCalledTimes(1);
    loader.prefetch({ epoch: 4, position: 1 });
    loader.prefetch({ epoch: 4, position: 1 });
    expect(gather).toHaveBeenCalledTimes(2);
    expect(loader.batch(4, 0)).toEqual(plain.batch(4, 0));
    expect(loader.batch(4, 1)).toEqual(plain.batch(4, 1));
    expect(() => loader.prefetch({ epoch: 0, position: 5 })).toThrow(/no batch 5/);
  });

  it('refuses options and places that make no sense', async () => {
    const bad: [attempt: () => unknown, message: RegExp][] = [
      [() => new Loader(toy(5), { batchSize: 0 }), /batch size 0/],
      [() => new Loader(toy(5), { batchSize: 2.5 }), /batch size 2.5/],
      [() => new Loader(toy(0), { batchSize: 2 }), /toy has 0 examples, which make no batch$/],
      [() => new Loader(toy(5), { batchSize: 6, dropLast: true }), /toy has 5 examples, which make no batch of 6/],
      [() => new Loader(toy(5), { batchSize: 2, seed: -1 }), /seed: -1/],
      [() => new Loader(toy(5), { batchSize: 2 }).batch(0, 3), /no batch 3; those of an epoch are numbered 0 .. 2/],
      [() => new Loader(toy(5), { batchSize: 2 }).batch(-1, 0), /index -1/],
      [() => new Loader(toy(5), { batchSize: 2 }).positionAfter(-1), /-1 steps/],
    ];
    for (const [attempt, message] of bad) {
      expect(attempt).toThrow(ArgumentError);
      expect(attempt).toThrow(message);
    }
    await expect(collect(new Loader(toy(5), { batchSize: 2 }).epoch(0, 4))).rejects.toThrow(/no batch 4/);
  });
});
