import { describe, expect, it } from 'vitest';
import { ownImages, checkSameImages } from '../../app/rooms/train/images.js';
import { ownData } from '../../app/rooms/train/own-data.js';
import { LARGEST_IMAGES } from '../../app/size-limit.js';
import type { NamedBytes } from '../../data/gzip.js';

const named = (name: string, values: ArrayLike<number>): NamedBytes => ({ name, bytes: Uint8Array.from(values) });

/** IDX files of as many images, the pixels of each being its number, and of their labels. */
function set(name: string, count: number): [NamedBytes, NamedBytes] {
  const pixels = Array.from({ length: count * 784 }, (_, i) => Math.floor(i / 784));
  const classes = Array.from({ length: count }, (_, i) => i % 10);
  return [
    named(`${name}-images`, [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28, ...pixels]),
    named(`${name}-labels`, [0, 0, 8, 1, 0, 0, 0, count, ...classes]),
  ];
}

async function packed({ name, bytes }: NamedBytes): Promise<NamedBytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
  return { name: `${name}.gz`, bytes: new Uint8Array(await new Response(stream).arrayBuffer()) };
}

describe('IDX files of a user', () => {
  it('are two sets, whatever their order, packed or not', async () => {
    const [trainImages, trainLabels] = set('train', 30);
    const [testImages, testLabels] = set('test', 7);
    for (const files of [
      [testLabels, trainImages, await packed(testImages), await packed(trainLabels)],
      [trainLabels, testImages, testLabels, trainImages],
    ]) {
      const { train, test } = await ownData(files);
      expect([train.size, test.size]).toEqual([30, 7]);
      expect(Array.from(test.labels)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(train.images[784 * 29]).toBe(29);
    }
  });

  it('are both sets where there is one', async () => {
    const { train, test } = await ownData(set('one', 12));
    expect(test).toBe(train);
    expect(train.size).toBe(12);
  });

  it('are refused in a sentence where they do not belong together', async () => {
    const [images, labels] = set('a', 8);
    const [, others] = set('b', 9);
    const refused = async (files: NamedBytes[]): Promise<string> =>
      ownData(files).then(
        () => 'taken',
        (error: unknown) => String(error instanceof Error ? error.message : error),
      );
    expect(await refused([images])).toBe(
      '1 files: give two (images and labels), or four (of a training and a test set).',
    );
    expect(await refused([images, others])).toBe('a-images: none of the files has labels for its 8 images.');
    expect(await refused([labels, others])).toBe('These files are labels only: images are missing.');
    expect(await refused([...set('a', 8), ...set('b', 8)])).toMatch(/^Both sets have as many labels/);
    expect(await refused([named('text', [1, 2, 3, 4, 5]), labels])).toMatch(/^text: is no IDX file/);
    expect(await refused([await packed(named('text', [1, 2, 3, 4, 5])), labels])).toMatch(/^text\.gz \(unpacked\): /);
  });

  it('are refused where they are too large, also once they are unpacked', async () => {
    const [, labels] = set('a', 8);
    const large = { name: 'large', bytes: new Uint8Array(LARGEST_IMAGES + 1) };
    await expect(ownData([large, labels])).rejects.toThrow(/^large: has 97 MiB; at most 96 MiB are taken\.$/);
    const bomb = await packed(large);
    expect(bomb.bytes.length).toBeLessThan(1e6);
    await expect(ownData([bomb, labels])).rejects.toThrow(
      /^large\.gz: unpacks to more than the \d+ bytes that are taken$/,
    );
  });
});

describe('the images of a run', () => {
  it('are told apart by what they are, not by their names', async () => {
    const [images, labels] = set('a', 8);
    const first = await ownImages([images, labels]);
    const again = await ownImages([labels, await packed(images)]);
    expect(() => checkSameImages(first.facts, again)).not.toThrow();
    const bytes = Uint8Array.from(images.bytes);
    bytes[20] = 200;
    const others = await ownImages([{ name: images.name, bytes }, labels]);
    expect(() => checkSameImages(first.facts, others)).toThrow(
      'This run learned from 8 images of files of your own, which are not those at hand: bring them first.',
    );
  });
});
