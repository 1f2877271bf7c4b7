import { input, sizeOf, type NdArray, type OpReference } from '../reference.js';

type Two = readonly [number, number];

/** The sizes of a convolution: `c` and `k` count the input and output channels of one group. */
export interface ConvSizes {
  readonly images: number;
  readonly groups: number;
  readonly c: number;
  readonly k: number;
  readonly input: Two;
  readonly kernel: Two;
  readonly output: Two;
  readonly stride: Two;
  readonly padding: Two;
  readonly dilation: Two;
}

/** Calls `visit` with the flat indices of every product in the definition of the convolution: of x, weight and output. */
export function forEachTerm(g: ConvSizes, visit: (x: number, weight: number, y: number) => void): void {
  const [h, w] = g.input;
  const [kh, kw] = g.kernel;
  const [oh, ow] = g.output;
  for (let n = 0; n < g.images; n++) {
    for (let k = 0; k < g.groups * g.k; k++) {
      for (let c = 0; c < g.c; c++) {
        const plane = (n * g.groups + Math.floor(k / g.k)) * g.c + c;
        for (let r = 0; r < kh; r++) {
          for (let q = 0; q < kw; q++) {
            for (let y = 0; y < oh; y++) {
              const iy = y * g.stride[0] - g.padding[0] + r * g.dilation[0];
              if (iy < 0 || iy >= h) continue;
              for (let x = 0; x < ow; x++) {
                const ix = x * g.stride[1] - g.padding[1] + q * g.dilation[1];
                if (ix < 0 || ix >= w) continue;
                visit(
                  (plane * h + iy) * w + ix,
                  ((k * g.c + c) * kh + r) * kw + q,
                  ((n * g.groups * g.k + k) * oh + y) * ow + x,
                );
              }
            }
          }
        }
      }
    }
  }
}

interface Attrs {
  readonly geometry: ConvSizes;
}

/** Sums of products a[i] b[j] into places of an array of `shape`, the term's three indices given by `places`. */
function accumulate(
  shape: readonly number[],
  geometry: ConvSizes,
  [a, b]: readonly [NdArray, NdArray],
  places: (x: number, weight: number, y: number) => readonly [a: number, b: number, into: number],
): NdArray {
  const data = new Float64Array(sizeOf(shape));
  forEachTerm(geometry, (x, weight, y) => {
    const [i, j, into] = places(x, weight, y);
    data[into] = (data[into] ?? 0) + (a.data[i] ?? Number.NaN) * (b.data[j] ?? Number.NaN);
  });
  return { shape, data };
}

/** The ops of engine/ops/conv.ts. */
export const convReferences: Readonly<Record<string, OpReference>> = {
  conv2d:
    ({ geometry: g }: Attrs) =>
    ([x, weight, bias]) => {
      const shape = [g.images, g.groups * g.k, ...g.output];
      const y = accumulate(shape, g, [input(x), input(weight)], (ix, iw, iy) => [ix, iw, iy]);
      const plane = g.output[0] * g.output[1];
      const shift = (at: number): number => bias?.data[Math.floor(at / plane) % (g.groups * g.k)] ?? 0;
      return { shape, data: y.data.map((value, at) => value + shift(at)) };
    },
  conv2dInputGrad:
    ({ geometry: g }: Attrs) =>
    ([dy, weight]) =>
      accumulate([g.images, g.groups * g.c, ...g.input], g, [input(dy), input(weight)], (ix, iw, iy) => [iy, iw, ix]),
  conv2dWeightGrad:
    ({ geometry: g }: Attrs) =>
    ([x, dy]) =>
      accumulate([g.groups * g.k, g.c, ...g.kernel], g, [input(x), input(dy)], (ix, iw, iy) => [ix, iy, iw]),
};
