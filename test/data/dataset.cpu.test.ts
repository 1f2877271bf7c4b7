import { describe, expect, it } from 'vitest';
import { Dataset, type DatasetContents } from '../../data/dataset.js';
import { ArgumentError } from '../../engine/errors.js';

const contents: DatasetContents = {
  name: 'toy',
  images: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 0.125),
  labels: [0, 2, 1],
  shape: [3, 1, 1, 2],
  classes: 3,
};

describe('Dataset', () => {
  it('holds examples, labels and shapes', () => {
    const dataset = new Dataset(contents);
    expect(dataset).toMatchObject({ size: 3, exampleSize: 2, classes: 3, exampleShape: [1, 1, 2] });
    expect(dataset.labels).toEqual(Int32Array.of(0, 2, 1));
  });

  it('gathers floats in [0, 1] from floats and from bytes', () => {
    const floats = new Dataset(contents).gather([2, 0, 2]);
    expect([...floats.images]).toEqual([1, 0.125, 0, 0.25, 1, 0.125]);
    expect([...floats.labels]).toEqual([1, 0, 1]);
    const bytes = new Dataset({ ...contents, images: Uint8Array.of(0, 255, 1, 2, 51, 128) }).gather([0, 1, 2]);
    expect([...bytes.images]).toEqual([0, 1, 1 / 255, 2 / 255, 51 / 255, 128 / 255].map(Math.fround));
  });

  it('gives subsets and beginnings as datasets', () => {
    const dataset = new Dataset(contents);
    const subset = dataset.subset([2, 2, 0], 'mine');
    expect(subset).toMatchObject({ name: 'mine', shape: [3, 1, 1, 2], labels: Int32Array.of(1, 1, 0) });
    expect([...subset.images]).toEqual([1, 0.125, 1, 0.125, 0, 0.25]);
    const first = dataset.take(2);
    expect(first).toMatchObject({ size: 2, shape: [2, 1, 1, 2], labels: Int32Array.of(0, 2) });
    expect(dataset.take(0).size).toBe(0);
    expect(dataset.subset([]).size).toBe(0);
    const bytes = new Dataset({ ...contents, images: Uint8Array.of(0, 255, 1, 2, 51, 128) });
    expect(bytes.subset([1]).images).toEqual(Uint8Array.of(1, 2));
  });

  it('hands the names of its classes on', () => {
    const classNames = ['left', 'right', 'none'];
    const dataset = new Dataset({ ...contents, classNames });
    for (const each of [dataset, dataset.take(1), dataset.subset([2])]) expect(each.classNames).toEqual(classNames);
    expect(new Dataset(contents).classNames).toBeUndefined();
  });

  it('has a fingerprint of everything but its name', () => {
    const { fingerprint } = new Dataset(contents);
    expect(fingerprint).toMatch(/^[0-9a-f]{8}$/);
    // As it is written in checkpoints of other versions and machines.
    const bytes = { name: 'b', images: Uint8Array.of(1, 2, 3, 4, 5), labels: [0], shape: [1, 5], classes: 1 };
    expect(new Dataset(bytes).fingerprint).toBe('1eb39b3c');
    // Whatever memory it lies in.
    expect(new Dataset({ ...bytes, images: Uint8Array.of(0, 1, 2, 3, 4, 5).subarray(1) }).fingerprint).toBe('1eb39b3c');
    expect(new Dataset({ ...contents, name: 'other' }).fingerprint).toBe(fingerprint);
    const changes: Partial<DatasetContents>[] = [
      { images: Float32Array.from(contents.images, (pixel, at) => (at === 5 ? 1 - pixel : pixel)) },
      { images: Uint8Array.from(contents.images, (pixel) => 255 * pixel) },
      { labels: Array.from(contents.labels).reverse() },
      { classes: contents.classes + 1 },
      { shape: [contents.shape[0] ?? 0, ...contents.shape.slice(1).reverse()] },
      { classNames: Array.from({ length: contents.classes }, (_, index) => `${index}`) },
    ];
    for (const change of changes) expect(new Dataset({ ...contents, ...change }).fingerprint).not.toBe(fingerprint);
  });

  it('refuses what does not fit, naming the example', () => {
    const bad: [change: Partial<DatasetContents>, message: RegExp][] = [
      [{ images: Float32Array.of(0, 0, 0, 1.5, 0, 0) }, /^toy: element 1 of example 1 is 1.5; pixels are in \[0, 1\]/],
      [{ images: Float32Array.of(0, 0, 0, 0, -0.001, 0) }, /element 0 of example 2 is -0.001/],
      [{ images: Float32Array.of(NaN, 0, 0, 0, 0, 0) }, /element 0 of example 0 is NaN/],
      [{ labels: [0, 3, 1] }, /label of example 1 is 3; with 3 classes labels are 0 .. 2/],
      [{ labels: [0, 1, -1] }, /label of example 2 is -1/],
      [{ labels: [0.5, 1, 1] }, /label of example 0 is 0.5/],
      [{ labels: [0, 1] }, /3 images but 2 labels/],
      [{ shape: [3, 1, 2, 2] }, /6 pixels do not fill shape \[3, 1, 2, 2\], which has 12/],
      [{ shape: [] }, /shape \[\] is not/],
      [{ shape: [-3, -2] }, /shape \[-3, -2\] is not/],
      [{ classes: 0 }, /0 classes/],
      // What JavaScript lets through.
      [
        { images: Object(Float64Array.of(0, 0, 0, 0, 0, 0)) as Float32Array },
        /images are in a Float64Array; expected a Float32Array/,
      ],
      [{ images: Object([0, 0, 0, 0, 0, 0]) as Float32Array }, /images are in a Array/],
      [{ classNames: ['a', 'b'] }, /^toy: 3 classes but 2 class names/],
    ];
    for (const [change, message] of bad) {
      expect(() => new Dataset({ ...contents, ...change })).toThrow(ArgumentError);
      expect(() => new Dataset({ ...contents, ...change })).toThrow(message);
    }
    const dataset = new Dataset(contents);
    expect(() => dataset.take(4)).toThrow(/toy: cannot take 4 of 3/);
    expect(() => dataset.take(1.5)).toThrow(ArgumentError);
    expect(() => dataset.subset([0, 3])).toThrow(/toy: there is no example 3; they are numbered 0 .. 2/);
    expect(() => dataset.gather([-1])).toThrow(/no example -1/);
  });
});
