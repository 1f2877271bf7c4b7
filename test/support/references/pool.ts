import { at, build, input, type NdArray, type OpReference } from '../reference.js';

type Two = readonly [number, number];

interface Attrs {
  readonly kernel: Two;
  readonly stride: Two;
  readonly padding: Two;
  /** [N, C, H, W] of what is pooled. */
  readonly shape: readonly number[];
}

function pooledShape({ kernel, stride, padding, shape: [n = 0, c = 0, ...size] }: Attrs): number[] {
  const extent = (axis: 0 | 1): number =>
    Math.floor(((size[axis] ?? 0) + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1;
  return [n, c, extent(0), extent(1)];
}

/** The place in its plane of the first largest element of each window that lies inside. */
function firstLargest(x: NdArray, attrs: Attrs): NdArray {
  const { kernel, stride, padding } = attrs;
  const [, , height = 0, width = 0] = attrs.shape;
  return build(pooledShape(attrs), ([n = 0, c = 0, i = 0, j = 0]) => {
    let [best, place] = [-Infinity, -1];
    for (let r = 0; r < kernel[0]; r++) {
      for (let s = 0; s < kernel[1]; s++) {
        const [row, column] = [i * stride[0] - padding[0] + r, j * stride[1] - padding[1] + s];
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        const value = at(x, [n, c, row, column]);
        if (value > best) [best, place] = [value, row * width + column];
      }
    }
    return place;
  });
}

function pick(x: NdArray, places: NdArray): NdArray {
  const [, , , width = 1] = x.shape;
  return build(places.shape, (index) => {
    const place = at(places, index);
    return at(x, [...index.slice(0, 2), Math.floor(place / width), place % width]);
  });
}

/** The ops of engine/ops/pool.ts. */
export const poolReferences: Readonly<Record<string, OpReference>> = {
  maxPool2d: (attrs: Attrs) => [
    ([x]) => pick(input(x), firstLargest(input(x), attrs)),
    ([x]) => firstLargest(input(x), attrs),
  ],
  maxPool2dGather:
    () =>
    ([x, places]) =>
      pick(input(x), input(places)),
  maxPool2dScatter:
    ({ shape }: Attrs) =>
    ([g, places]) => {
      const [, , rows = 0, columns = 0] = input(g).shape;
      const [, , , width = 1] = shape;
      return build(shape, ([n = 0, c = 0, row = 0, column = 0]) => {
        let sum = 0;
        for (let window = 0; window < rows * columns; window++) {
          const index = [n, c, Math.floor(window / columns), window % columns];
          if (at(input(places), index) === row * width + column) sum += at(input(g), index);
        }
        return sum;
      });
    },
};
