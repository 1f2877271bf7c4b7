import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  ShapeError,
  arange,
  chunk,
  embedding,
  flip,
  grad,
  mul,
  pad,
  repeat,
  reshape,
  split,
  sum,
  tensor,
  tile,
  to,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** 0, 1, 2, ... of a shape. */
function counting(...shape: number[]): Tensor {
  const size = shape.reduce((product, each) => product * each, 1);
  return reshape(arange(0, size, { device, dtype: 'f32' }), shape);
}

describe('pad', () => {
  it('pads whole numbers and truth values', async () => {
    const x = to(counting(3), 'i32');
    expect(await pad(x, [1, 1], { value: -4 }).toArray()).toEqual([-4, 0, 1, 2, -4]);
    expect(await pad(x, [2, 0], { mode: 'reflect' }).toArray()).toEqual([2, 1, 0, 1, 2]);
    expect(await pad(to(x, 'bool'), [1, 1], { value: 1 }).toArray()).toEqual([1, 0, 1, 1, 1]);
  });

  it('refuses what does not fit', () => {
    const x = counting(2, 3);
    expect(() => pad(x, [1])).toThrow(ArgumentError);
    expect(() => pad(x, [1, 0.5])).toThrow(/pad: padding \[1, 0.5\] of a tensor of shape \[2, 3\]; expected a pair/);
    expect(() => pad(x, [0, 0, 0, 0, 1, 1])).toThrow(/has more pairs than axes/);
    expect(() => pad(x, [-2, -2])).toThrow(/takes more from axis 1 than its 3 places/);
    expect(() => pad(x, [3, 0], { mode: 'reflect' })).toThrow(/reflect can add at most 2 places on a side of axis 1/);
    expect(() => pad(x, [0, 0, 0, 3], { mode: 'circular' })).toThrow(ShapeError);
  });
});

describe('flip', () => {
  it('walks the axes backwards that it is told, or all', async () => {
    const x = counting(2, 3);
    expect(await flip(x).toArray()).toEqual([
      [5, 4, 3],
      [2, 1, 0],
    ]);
    expect(await flip(x, 0).toArray()).toEqual([
      [3, 4, 5],
      [0, 1, 2],
    ]);
    expect(await flip(x, [-1]).toArray()).toEqual([
      [2, 1, 0],
      [5, 4, 3],
    ]);
  });

  it('flips its gradient back', async () => {
    const x = counting(4).requireGrad();
    expect(await grad(sum(mul(flip(x), counting(4))), [x])[0]?.toArray()).toEqual([3, 2, 1, 0]);
  });
});

describe('split and chunk', () => {
  const values = (parts: readonly Tensor[]): Promise<unknown[]> => Promise.all(parts.map((part) => part.toArray()));

  it('cut an axis into parts of a size, of a list of sizes, or into a count of parts', async () => {
    expect(await values(split(counting(5), 2))).toEqual([[0, 1], [2, 3], [4]]);
    expect(await values(split(counting(2, 3), [1, 0, 2], 1))).toEqual([
      [[0], [3]],
      [[], []],
      [
        [1, 2],
        [4, 5],
      ],
    ]);
    expect(await values(chunk(counting(7), 3))).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    // PyTorch too gives fewer parts where their size, rounded up, does not leave enough.
    expect(chunk(counting(6), 4).map((part) => part.size)).toEqual([2, 2, 2]);
    expect(split(counting(0), 3).map((part) => part.size)).toEqual([0]);
  });

  it('refuse sizes that do not fit', () => {
    expect(() => split(counting(5), 0)).toThrow(/split: size 0; expected an integer from 1 up/);
    expect(() => split(counting(5), [2, 2])).toThrow(/split: sizes \[2, 2\] along axis 0 of \[5\]; .* add up to 5/);
    expect(() => chunk(counting(5), 0)).toThrow(/chunk: 0 parts/);
    expect(() => split(counting(5), 1, 1)).toThrow(ShapeError);
  });
});

describe('tile and repeat', () => {
  it('refuse counts that do not fit', async () => {
    expect(await repeat(counting(2), [2, 1]).toArray()).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(() => repeat(counting(2, 3), [2])).toThrow(
      /repeat: 1 counts for shape \[2, 3\]; expected one for each axis/,
    );
    expect(() => tile(counting(2), [-1])).toThrow(/tile: counts \[-1\]; expected integers from 0 up/);
  });
});

describe('embedding', () => {
  it('gives rows of the table, and adds up their gradients', async () => {
    const table = counting(4, 2).requireGrad();
    const rows = embedding(
      tensor(
        [
          [3, 0],
          [3, 3],
        ],
        { device, dtype: 'i32' },
      ),
      table,
    );
    expect(await rows.toArray()).toEqual([
      [
        [6, 7],
        [0, 1],
      ],
      [
        [6, 7],
        [6, 7],
      ],
    ]);
    expect(await grad(sum(rows), [table])[0]?.toArray()).toEqual([
      [1, 1],
      [0, 0],
      [0, 0],
      [3, 3],
    ]);
  });

  it('gives the padding row no gradient', async () => {
    const table = counting(3, 2).requireGrad();
    const rows = embedding(tensor([1, 2, 1], { device, dtype: 'i32' }), table, { paddingIdx: 1 });
    expect(await rows.toArray()).toEqual([
      [2, 3],
      [4, 5],
      [2, 3],
    ]);
    expect(await grad(sum(rows), [table])[0]?.toArray()).toEqual([
      [0, 0],
      [0, 0],
      [1, 1],
    ]);
  });

  it('refuses what is no table or no index', () => {
    const indices = tensor([0], { device, dtype: 'i32' });
    expect(() => embedding(indices, counting(3))).toThrow(/embedding: weight of shape \[3\]; expected \[n, d\]/);
    expect(() => embedding(counting(2), counting(3, 2))).toThrow(
      /embedding: indices: got a tensor of dtype f32; expected i32/,
    );
    expect(() => embedding(indices, counting(3, 2), { paddingIdx: 3 })).toThrow(/paddingIdx 3; .* 0 to 2/);
  });
});
