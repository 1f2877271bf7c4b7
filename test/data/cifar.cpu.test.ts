import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { CIFAR100_CLASSES, CIFAR100_SUPERCLASSES, CIFAR10_CLASSES } from '../../data/cifar-classes.js';
import { CIFAR10_FILES, cifar10, cifar100 } from '../../data/cifar.js';
import { filesOfTar } from '../../data/tar.js';
import { FormatError } from '../../engine/errors.js';
import { cifarPixel, cifarRecords } from '../support/cifar.js';
import { tar } from '../support/tar.js';

const file = (name: string, bytes: Uint8Array<ArrayBuffer>) => ({ name, bytes });

describe('cifar10', () => {
  it('reads records of several files in their order, from an archive too', async () => {
    const entries = CIFAR10_FILES.train.map((name, index) => ({
      path: `cifar-10-batches-bin/${name}`,
      bytes: cifarRecords([[index], [9 - index]], 2 * index),
    }));
    const archive = file('c.tar.gz', new Uint8Array(gzipSync(tar([...entries].reverse()))));
    const dataset = cifar10(await filesOfTar(archive, CIFAR10_FILES.train));
    expect(dataset).toMatchObject({ name: 'cifar10', shape: [10, 3, 32, 32], classes: 10 });
    expect(dataset.classNames).toEqual(CIFAR10_CLASSES);
    expect([...dataset.labels]).toEqual([0, 9, 1, 8, 2, 7, 3, 6, 4, 5]);
    for (const [example, place] of [0, 3, 9].flatMap((e) => [0, 1, 1024, 3071].map((p) => [e, p] as const))) {
      expect(dataset.images[example * 3072 + place]).toBe(cifarPixel(example, place));
    }
    // Channel, row, column.
    expect(dataset.gather([3]).images[2 * 1024 + 5 * 32 + 6]).toBe(
      Math.fround(cifarPixel(3, 2 * 1024 + 5 * 32 + 6) / 255),
    );
  });

  it('sees that one of several files was cut between two records', () => {
    const whole = cifarRecords([[1], [2]]);
    const files = [file('a', whole), file('b', whole.subarray(0, 3073)), file('c', whole)];
    expect(() => cifar10(files)).toThrow(
      new FormatError('b: ends at byte 3073, after 1 records; a holds 2, and all of them hold as many'),
    );
  });

  it('names the byte of what is wrong', () => {
    const good = cifarRecords([[1], [2]]);
    const bad: [bytes: Uint8Array<ArrayBuffer>, message: RegExp][] = [
      [good.subarray(0, 6145), /^f: ends at byte 6145, within record 1; it should hold whole records of 3073 bytes/],
      [new Uint8Array(0), /^f: ends at byte 0, within record 0/],
      [Uint8Array.from([...good, 0]), /ends at byte 6147, within record 2/],
      [cifarRecords([[1], [10]]), /^f: byte 3073, a label, is 10; with 10 classes labels are 0 .. 9/],
    ];
    for (const [bytes, message] of bad) {
      expect(() => cifar10([file('f', bytes)])).toThrow(FormatError);
      expect(() => cifar10([file('f', bytes)])).toThrow(message);
    }
  });
});

describe('cifar100', () => {
  const bytes = cifarRecords([
    [19, 99],
    [0, 4],
  ]);

  it('reads fine and coarse labels', () => {
    const fine = cifar100([file('train.bin', bytes)]);
    expect(fine).toMatchObject({ shape: [2, 3, 32, 32], classes: 100, labels: Int32Array.of(99, 4) });
    expect(fine.classNames).toEqual(CIFAR100_CLASSES);
    expect(fine.images[3072 + 5]).toBe(cifarPixel(1, 5));
    const coarse = cifar100([file('train.bin', bytes)], { labels: 'coarse', name: 'mine' });
    expect(coarse).toMatchObject({ name: 'mine', classes: 20, labels: Int32Array.of(19, 0) });
    expect(coarse.classNames).toEqual(CIFAR100_SUPERCLASSES);
    expect(coarse.images).toEqual(fine.images);
  });

  it('checks both labels, whichever is asked for', () => {
    const wrong = file('t', cifarRecords([[20, 1]]));
    expect(() => cifar100([wrong])).toThrow(/^t: byte 0, a label, is 20; with 20 classes/);
    const other = file('t', cifarRecords([[1, 100]]));
    expect(() => cifar100([other], { labels: 'coarse' })).toThrow(/^t: byte 1, a label, is 100; with 100 classes/);
    expect(() => cifar100([file('t', cifarRecords([[1]]))])).toThrow(FormatError);
  });
});

describe('class names', () => {
  it('are all different, and as many as there are classes', () => {
    for (const [names, count] of [
      [CIFAR10_CLASSES, 10],
      [CIFAR100_CLASSES, 100],
      [CIFAR100_SUPERCLASSES, 20],
    ] as const) {
      expect(new Set(names).size).toBe(count);
      expect(names.length).toBe(count);
    }
    // The authors number CIFAR-100's classes by the alphabet.
    expect([...CIFAR100_CLASSES].sort()).toEqual(CIFAR100_CLASSES);
  });
});
