import { at, build, forEachIndex, input, sizeOf, type NdArray, type OpReference } from '../reference.js';

type Two = readonly [number, number];

interface Attrs {
  readonly kernel: Two;
  readonly stride: Two;
  readonly padding: Two;
  readonly ceilMode?: boolean;
  /** [N, C, H, W] of what is pooled. */
  readonly shape: readonly number[];
}

interface AvgAttrs extends Attrs {
  readonly countIncludePad: boolean;
  readonly divisor?: number;
}

/** Windows are those that end inside the padding, and with `ceilMode` any others that start before the padding at the end. */
function pooledShape({ kernel, stride, padding, ceilMode = false, shape: [n = 0, c = 0, ...size] }: Attrs): number[] {
  const extent = (axis: 0 | 1): number => {
    const [places, margin] = [size[axis] ?? 0, padding[axis]];
    let count = 0;
    for (
      let start = -margin;
      ceilMode ? start < places : start + kernel[axis] <= places + margin;
      start += stride[axis]
    ) {
      count++;
      if (start + kernel[axis] >= places + margin) break;
    }
    return count;
  };
  return [n, c, extent(0), extent(1)];
}

/** Calls `visit` with a window, each cell inside that it covers, and what it is divided by. */
function forEachCell(attrs: AvgAttrs, visit: (window: number[], cell: number[], divisor: number) => void): void {
  const { kernel, stride, padding, countIncludePad, divisor } = attrs;
  const [, , height = 0, width = 0] = attrs.shape;
  forEachIndex(pooledShape(attrs), ([n = 0, c = 0, i = 0, j = 0]) => {
    const cells: number[][] = [];
    let padded = 0;
    for (let r = i * stride[0] - padding[0]; r < i * stride[0] - padding[0] + kernel[0]; r++) {
      for (let s = j * stride[1] - padding[1]; s < j * stride[1] - padding[1] + kernel[1]; s++) {
        if (r >= 0 && r < height && s >= 0 && s < width) cells.push([n, c, r, s]);
        if (r < height + padding[0] && s < width + padding[1]) padded++;
      }
    }
    for (const cell of cells) visit([n, c, i, j], cell, divisor ?? (countIncludePad ? padded : cells.length));
  });
}

/** Sums at places of an array of `shape`. */
function gathered(
  shape: readonly number[],
  terms: (add: (place: readonly number[], value: number) => void) => void,
): NdArray {
  const data = new Float64Array(sizeOf(shape));
  terms((place, value) => {
    const flat = shape.reduce((offset, extent, axis) => offset * extent + (place[axis] ?? 0), 0);
    data[flat] = (data[flat] ?? 0) + value;
  });
  return { shape, data };
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

/** The ops of engine/ops/max-pool.ts and avg-pool.ts. */
export const poolReferences: Readonly<Record<string, OpReference>> = {
  avgPool2d:
    (attrs: AvgAttrs) =>
    ([x]) =>
      gathered(pooledShape(attrs), (add) => {
        forEachCell(attrs, (window, cell, divisor) => {
          add(window, at(input(x), cell) / divisor);
        });
      }),
  avgPool2dSpread:
    (attrs: AvgAttrs) =>
    ([g]) =>
      gathered(attrs.shape, (add) => {
        forEachCell(attrs, (window, cell, divisor) => {
          add(cell, at(input(g), window) / divisor);
        });
      }),
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
