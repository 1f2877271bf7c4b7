import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, DTypeError, grad, sort, tensor, topk, zeros, type Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

describe('sort', () => {
  it.each([
    { size: 32, descending: false },
    { size: 33, descending: true },
    { size: 64, descending: false },
    { size: 65, descending: false },
    { size: 4096, descending: true },
    { size: 20_011, descending: false },
  ])('of $size places with many equal ones is stable, descending $descending', async ({ size, descending }) => {
    const x = uniformFloats(size, 3, -20, 20).map(Math.floor);
    const places = Array.from(x.keys()).sort((a, b) => (descending ? -1 : 1) * ((x[a] ?? 0) - (x[b] ?? 0)));
    const { values, indices } = sort(tensor(x, { device }), -1, { descending });
    expect([...(await indices.data())]).toEqual(places);
    expect([...(await values.data())]).toEqual(places.map((place) => x[place]));
  });

  it('orders every float, keeps both zeros in place and puts NaN last', async () => {
    const x = tensor(Float32Array.from([Number.NaN, 3e38, 0, -0, -1e-30, Infinity, -3e38, 1e-30, -Infinity]), {
      device,
    });
    const { values, indices } = x.sort();
    expect([...(await indices.data())]).toEqual([8, 6, 4, 2, 3, 7, 1, 5, 0]);
    expect([...(await values.data())].slice(3, 5)).toEqual([0, -0]);
  });

  it('refuses bool', () => {
    expect(() => sort(zeros([2], { device, dtype: 'bool' }))).toThrow(DTypeError);
  });
});

describe('topk', () => {
  const rows = [
    [3, 1, 4, 1, 5],
    [2, 7, 1, 8, 2],
  ];

  it('gives the largest, or the smallest, in order, the first of equals first', async () => {
    const x = tensor(rows, { device });
    const top = topk(x, 2);
    expect(await top.values.toArray()).toEqual([
      [5, 4],
      [8, 7],
    ]);
    expect(await top.indices.toArray()).toEqual([
      [4, 2],
      [3, 1],
    ]);
    const bottom = x.topk(2, 1, { largest: false });
    expect(await bottom.indices.toArray()).toEqual([
      [1, 3],
      [2, 0],
    ]);
    expect(topk(x, 1, 0).values.shape).toEqual([1, 5]);
    expect(topk(x, 0).values.shape).toEqual([2, 0]);
  });

  it('sends gradients back to where the values came from', async () => {
    const x = tensor(rows, { device }).requireGrad();
    const gradOutput = tensor(
      [
        [10, 20],
        [30, 40],
      ],
      { device },
    );
    const [gradient] = grad(topk(x, 2).values, [x], { gradOutput });
    expect(await gradient?.toArray()).toEqual([
      [0, 0, 20, 0, 10],
      [0, 40, 0, 30, 0],
    ]);
  });

  it('refuses more than there are', () => {
    expect(() => topk(tensor(rows, { device }), 6)).toThrow(ArgumentError);
  });
});
