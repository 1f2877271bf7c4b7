import type { Generator } from '../../engine/random.js';

/**
 * Where the Square Attack (`square.ts`) changes images, and by which patterns: what all samples of a batch share, worked out on the CPU.
 */

/** Iterations after which the share of an image that a window covers is halved, with 10000 queries in mind. */
const HALVINGS = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

/** The share of an image's pixels that the window of an iteration (from 0 on) covers, as published; not rescaled for fewer queries. */
export function squareShare(iteration: number, pInit = 0.8): number {
  return pInit / 2 ** HALVINGS.filter((last) => iteration > last).length;
}

/** What the windows depend on. */
export interface WindowSettings {
  readonly norm: 'linf' | 'l2';
  readonly height: number;
  readonly width: number;
  readonly pInit: number;
}

/** The side of an iteration's window: at least 1 (Linf), or odd and at least 3 (L2); never more than the image has. */
export function squareSide(iteration: number, { norm, height, width, pInit }: WindowSettings): number {
  const side = Math.round(Math.sqrt(squareShare(iteration, pInit) * height * width));
  const wanted = norm === 'linf' ? Math.max(side, 1) : 2 * Math.floor(Math.max(side, 3) / 2) + 1;
  return Math.min(wanted, height, width);
}

/** An iteration's window; for L2 a second one, of the same side, that gives up its share of the ball. */
export interface SquareWindow {
  readonly side: number;
  readonly top: number;
  readonly left: number;
  readonly secondTop: number;
  readonly secondLeft: number;
  /** Whether the pattern has its halves side by side, not one above the other (L2). */
  readonly turned: boolean;
  /** 1 or -1 for each channel (Linf); L2 draws them sample by sample. */
  readonly signs: readonly number[];
}

/** Random numbers that {@link drawWindow} takes besides one for each channel. */
const PLACES = 5;

/** How many words of a generator an iteration takes: whole blocks. */
export function windowWords(channels: number): number {
  return Math.ceil((PLACES + channels) / 4) * 4;
}

/** The next iteration's window. Its last place in either direction is never taken, as in the published code. */
export function drawWindow(
  generator: Generator,
  iteration: number,
  channels: number,
  settings: WindowSettings,
): SquareWindow {
  const side = squareSide(iteration, settings);
  const [top = 0, left = 0, secondTop = 0, secondLeft = 0, turn = 0, ...rest] = generator.uniform(
    windowWords(channels),
  );
  const [down, right] = [settings.height - side, settings.width - side];
  return {
    side,
    top: Math.floor(top * down),
    left: Math.floor(left * right),
    secondTop: Math.floor(secondTop * down),
    secondLeft: Math.floor(secondLeft * right),
    turned: turn >= 0.5,
    signs: rest.slice(0, channels).map(signOf),
  };
}

/** 1 or -1, by a uniform number. */
export function signOf(uniform: number): number {
  return uniform >= 0.5 ? 1 : -1;
}

/**
 * The pattern of an L2 window, row-major, of length 1: two bells one above the other, the lower one negative; or `turned`, the right one.
 */
export function squarePattern(side: number, turned: boolean): Float64Array {
  const half = Math.floor(side / 2);
  const values = [...bell(half, side), ...bell(side - half, side).map((value) => -value)];
  const upright = unit(values);
  if (!turned) return upright;
  return Float64Array.from(upright, (_, at) => upright[(at % side) * side + Math.floor(at / side)] ?? 0);
}

/** A pseudo-Gaussian rectangle of length 1: concentric squares around the middle, of 1 / k^2 for the k-th, on top of each other. */
function bell(rows: number, columns: number): number[] {
  const [middleRow, middleColumn] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  const heights = [0];
  for (let k = Math.max(middleRow, middleColumn); k >= 0; k--) heights.unshift((heights[0] ?? 0) + 1 / (k + 1) ** 2);
  const values = Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    return heights[Math.max(Math.abs(row - middleRow), Math.abs(column - middleColumn))] ?? 0;
  });
  return [...unit(values)];
}

function unit(values: readonly number[]): Float64Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
  return Float64Array.from(values, (value) => (length > 0 ? value / length : 0));
}

/** The grid of squares that an L2 perturbation starts with: some five in the shorter direction, in the middle of the image. */
export interface SquareGrid {
  /** Number of squares. */
  readonly count: number;
  /** The patterns of all squares, `[height * width]`, 0 beside them. */
  readonly pattern: Float32Array<ArrayBuffer>;
  /** The number of each pixel's square, `[height * width]`, 0 beside them. */
  readonly squares: Int32Array<ArrayBuffer>;
}

/** The grid for images of a size; takes a random number for each square, which says whether its pattern is turned. */
export function squareGrid(generator: Generator, height: number, width: number): SquareGrid {
  const side = Math.max(1, Math.floor(Math.min(height, width) / 5));
  const [rows, columns] = [Math.floor(height / side), Math.floor(width / side)];
  const [top, left] = [Math.floor((height - rows * side) / 2), Math.floor((width - columns * side) / 2)];
  const count = rows * columns;
  const turns = generator.uniform(count);
  const [upright, turned] = [squarePattern(side, false), squarePattern(side, true)];
  const [pattern, squares] = [new Float32Array(height * width), new Int32Array(height * width)];
  for (let square = 0; square < count; square++) {
    const values = (turns[square] ?? 0) >= 0.5 ? turned : upright;
    const [row, column] = [top + side * Math.floor(square / columns), left + side * (square % columns)];
    for (const [at, value] of values.entries()) {
      const pixel = (row + Math.floor(at / side)) * width + column + (at % side);
      pattern[pixel] = value;
      squares[pixel] = square;
    }
  }
  return { count, pattern, squares };
}
