import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { NamedBytes } from '../../data/gzip.js';
import { mnist } from '../../data/mnist.js';
import { FormatError } from '../../engine/errors.js';

function images(count: number, side = 28, code = 8): NamedBytes {
  const header = [0, 0, code, 3, 0, 0, 0, count, 0, 0, 0, side, 0, 0, 0, side];
  const pixels = Array.from({ length: count * side * side }, (_, i) => (i * 7) % 256);
  return { name: 'images-file', bytes: Uint8Array.from([...header, ...pixels]) };
}

function labels(values: readonly number[]): NamedBytes {
  return { name: 'labels-file', bytes: Uint8Array.from([0, 0, 8, 1, 0, 0, 0, values.length, ...values]) };
}

function packed({ name, bytes }: NamedBytes): NamedBytes {
  return { name: `${name}.gz`, bytes: Uint8Array.from(gzipSync(bytes)) };
}

describe('mnist', () => {
  it('pairs images and labels, packed or not', async () => {
    for (const source of [
      { images: images(3), labels: labels([4, 0, 9]) },
      { images: packed(images(3)), labels: packed(labels([4, 0, 9])) },
    ]) {
      const dataset = await mnist(source);
      expect(dataset).toMatchObject({
        name: 'mnist',
        shape: [3, 1, 28, 28],
        classes: 10,
        labels: Int32Array.of(4, 0, 9),
      });
      expect([...dataset.gather([0]).images.subarray(0, 3)]).toEqual([0, 7 / 255, 14 / 255].map(Math.fround));
    }
  });

  it('names the file that does not belong', async () => {
    const bad: [images: NamedBytes, labels: NamedBytes, message: RegExp][] = [
      [images(3), labels([1, 2]), /^labels-file: holds 2 labels, but images-file holds 3 images/],
      [images(3), labels([1, 10, 2]), /^labels-file: label 1 \(byte 9\) is 10; labels are 0 .. 9/],
      [images(1), packed(labels([11])), /^labels-file.gz: label 0 \(byte 8 of the unpacked file\) is 11/],
      [images(2, 14), labels([1, 2]), /^images-file: holds u8 \[2, 14, 14\] \(bytes 2 .. 15\); expected u8 images/],
      [images(2, 28, 9), labels([1, 2]), /^images-file: holds i8/],
      [labels([1, 2]), labels([1, 2]), /^labels-file: holds u8 \[2\] \(bytes 2 .. 7\); expected u8 images/],
      [images(2), images(2), /^images-file: holds u8 \[2, 28, 28\].*expected u8 labels \[n\]/],
    ];
    for (const [imageFile, labelFile, message] of bad) {
      const attempt = mnist({ images: imageFile, labels: labelFile });
      await expect(attempt).rejects.toThrow(FormatError);
      await expect(attempt).rejects.toThrow(message);
    }
  });
});
