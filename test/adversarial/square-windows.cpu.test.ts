import { describe, expect, it } from 'vitest';
import {
  drawWindow,
  squareGrid,
  squarePattern,
  squareShare,
  squareSide,
  windowWords,
} from '../../adversarial/attacks/square-windows.js';
import { Generator } from '../../engine/index.js';

const CIFAR = { norm: 'linf', height: 32, width: 32, pInit: 0.8 } as const;

/** The published definition: nested squares added on top of each other, cut at the edges. */
function rectangle(rows: number, columns: number): number[][] {
  const values = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
  const [middleRow, middleColumn] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  for (let k = 0; k <= Math.max(middleRow, middleColumn); k++) {
    for (const [i, row] of values.entries()) {
      for (const j of row.keys()) {
        if (Math.abs(i - middleRow) <= k && Math.abs(j - middleColumn) <= k) row[j] = (row[j] ?? 0) + 1 / (k + 1) ** 2;
      }
    }
  }
  return scaled(values);
}

function scaled(values: number[][], sign = 1): number[][] {
  const length = Math.sqrt(values.flat().reduce((sum, value) => sum + value ** 2, 0));
  return values.map((row) => row.map((value) => (sign * value) / length));
}

describe('the schedule of the Square Attack', () => {
  it('halves the share after the published iterations', () => {
    const published: [number, number][] = [
      [0, 1],
      [10, 1],
      [11, 2],
      [50, 2],
      [51, 4],
      [200, 4],
      [201, 8],
      [500, 8],
      [501, 16],
      [1000, 16],
      [1001, 32],
      [2000, 32],
      [2001, 64],
      [4000, 64],
      [4001, 128],
      [6000, 128],
      [6001, 256],
      [8000, 256],
      [8001, 512],
      [9999, 512],
    ];
    for (const [iteration, part] of published) {
      expect(squareShare(iteration), `${iteration}`).toBe(0.8 / part);
      expect(squareShare(iteration, 0.3), `${iteration}`).toBe(0.3 / part);
    }
  });

  it('gives the sides of windows that the published code gives for CIFAR-10, and odd ones from 3 up for L2', () => {
    const iterations = [0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001];
    expect(iterations.map((at) => squareSide(at, CIFAR))).toEqual([29, 20, 14, 10, 7, 5, 4, 3, 2, 1]);
    expect(iterations.map((at) => squareSide(at, { ...CIFAR, norm: 'l2' }))).toEqual([
      29, 21, 15, 11, 7, 5, 5, 3, 3, 3,
    ]);
  });

  it('never takes a window larger than the image', () => {
    for (const [height, width] of [
      [1, 1],
      [2, 2],
      [3, 40],
      [40, 2],
    ] as const) {
      for (const norm of ['linf', 'l2'] as const) {
        for (const at of [0, 100, 9000]) {
          const side = squareSide(at, { ...CIFAR, norm, height, width });
          expect(side).toBeGreaterThanOrEqual(1);
          expect(side).toBeLessThanOrEqual(Math.min(height, width));
        }
      }
    }
  });
});

describe('windows', () => {
  it('lie anywhere in the image but in the last place, each with signs for the channels', () => {
    const generator = new Generator(4);
    const settings = { norm: 'l2', height: 9, width: 12, pInit: 0.8 } as const;
    const drawn = Array.from({ length: 4000 }, (_, i) => drawWindow(generator, 201 + (i % 300), 3, settings));
    const side = squareSide(201, settings);
    expect(side).toBe(3);
    for (const name of ['top', 'secondTop'] as const) {
      expect(new Set(drawn.map((window) => window[name]))).toEqual(new Set([0, 1, 2, 3, 4, 5]));
    }
    for (const name of ['left', 'secondLeft'] as const) {
      expect(new Set(drawn.map((window) => window[name]))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8]));
    }
    for (const part of [
      drawn.map(({ turned }) => (turned ? 1 : -1)),
      ...[0, 1, 2].map((c) => drawn.map(({ signs }) => signs[c])),
    ]) {
      expect(new Set(part)).toEqual(new Set([1, -1]));
      expect(Math.abs(part.reduce<number>((sum, sign) => sum + (sign ?? NaN), 0))).toBeLessThan(250);
    }
    expect(drawn.every(({ signs }) => signs.length === 3)).toBe(true);
  });

  it('take whole blocks of the generator, as many as is said', () => {
    for (const channels of [1, 3, 4, 8]) {
      const [one, other] = [new Generator(2), new Generator(2)];
      drawWindow(one, 0, channels, CIFAR);
      other.reserve(windowWords(channels));
      expect(one.state()).toEqual(other.state());
      expect(windowWords(channels) % 4).toBe(0);
    }
  });

  it('as large as the image lie at its corner', () => {
    const window = drawWindow(new Generator(1), 0, 1, { ...CIFAR, height: 4, width: 3 });
    expect(window).toMatchObject({ side: 3, top: 0, left: 0, secondTop: 0, secondLeft: 0 });
  });
});

describe('patterns', () => {
  it.each([1, 2, 3, 4, 7, 10, 29])('of side %i are two bells of length 1, as published', (side) => {
    const half = Math.floor(side / 2);
    const upright = scaled([...(half > 0 ? rectangle(half, side) : []), ...scaled(rectangle(side - half, side), -1)]);
    const [found, turned] = [squarePattern(side, false), squarePattern(side, true)];
    for (let i = 0; i < side; i++) {
      for (let j = 0; j < side; j++) {
        expect(found[i * side + j]).toBeCloseTo(upright[i]?.[j] ?? NaN, 12);
        expect(turned[j * side + i]).toBeCloseTo(upright[i]?.[j] ?? NaN, 12);
      }
    }
    expect(found.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(1, 12);
  });

  it.each([
    [32, 32, 6, 1, 5],
    [28, 28, 5, 1, 5],
    [224, 224, 44, 2, 5],
  ])(
    'of a grid for images of %i by %i are squares of side %i from pixel %i on, %i each way',
    (h, w, side, start, count) => {
      const grid = squareGrid(new Generator(6), h, w);
      expect(grid.count).toBe(count ** 2);
      const ways = new Set<boolean>();
      for (let square = 0; square < grid.count; square++) {
        const [top, left] = [start + side * Math.floor(square / count), start + side * (square % count)];
        const values = Array.from({ length: side ** 2 }, (_, at) => {
          const pixel = (top + Math.floor(at / side)) * w + left + (at % side);
          expect(grid.squares[pixel]).toBe(square);
          return grid.pattern[pixel];
        });
        const turned = [false, true].find((way) => {
          return squarePattern(side, way).every((value, at) => Math.abs(value - (values[at] ?? NaN)) < 1e-6);
        });
        expect(turned).toBeDefined();
        ways.add(turned ?? false);
      }
      expect(ways.size).toBe(2);
      const covered = grid.pattern.filter((value) => value !== 0).length;
      expect(covered).toBe((count * side) ** 2);
    },
  );

  it.each([
    [1, 1],
    [2, 7],
    [9, 4],
  ])('of a grid for small images of %i by %i stay inside', (h, w) => {
    const grid = squareGrid(new Generator(1), h, w);
    expect(grid.count).toBe(h * w);
    expect(Math.max(...grid.squares)).toBe(grid.count - 1);
    expect(Array.from(grid.pattern).every((value) => Math.abs(value) === 1)).toBe(true);
  });
});
