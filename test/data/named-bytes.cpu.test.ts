import { expect, it } from 'vitest';
import { BulwarkError, FormatError } from '../../engine/errors.js';
import { mnist } from '../../data/mnist.js';
import { namedBytes } from '../../data/named-bytes.js';

/** An IDX file of bytes. */
function idx(name: string, shape: readonly number[], values: readonly number[]): File {
  const sizes = shape.flatMap((size) => [0, 0, size >> 8, size & 255]);
  return new File([Uint8Array.from([0, 0, 8, shape.length, ...sizes, ...values])], name);
}

const IMAGES = idx('images', [2, 28, 28], Array<number>(2 * 28 * 28).fill(7));

it('reads files in their order, under their names', async () => {
  const read = await namedBytes([new File(['ab'], 'x.bin'), new File([], 'y.bin')]);
  expect(read.map(({ name, bytes }) => [name, ...bytes])).toEqual([['x.bin', 97, 98], ['y.bin']]);
});

it('makes a data set of two chosen files', async () => {
  const dataset = await mnist({ images: IMAGES, labels: idx('labels', [2], [3, 9]) });
  expect([dataset.size, dataset.classes]).toEqual([2, 10]);
});

it('names the file that is wrong, or cannot be read', async () => {
  await expect(mnist({ images: IMAGES, labels: idx('labels', [2], [3, 10]) })).rejects.toThrow(FormatError);
  await expect(mnist({ images: IMAGES, labels: new File(['no'], 'text.txt') })).rejects.toThrow(/^text\.txt: /);
  const gone = new File(['x'], 'gone.bin');
  gone.arrayBuffer = () => Promise.reject(new DOMException('gone', 'NotReadableError'));
  await expect(namedBytes([gone])).rejects.toThrow(BulwarkError);
  await expect(namedBytes([gone])).rejects.toThrow(/^gone\.bin: cannot be read/);
});
