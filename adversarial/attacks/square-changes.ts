import { split } from '../../engine/ops/arrange.js';
import { tensor } from '../../engine/ops/create.js';
import {
  add,
  clamp,
  div,
  ge,
  maximum,
  minimum,
  mul,
  relu,
  sqrt,
  square,
  sub,
  to,
} from '../../engine/ops/elementwise.js';
import { indexSelect } from '../../engine/ops/indexing.js';
import { reshape } from '../../engine/ops/movement.js';
import { rand } from '../../engine/ops/random.js';
import { sum } from '../../engine/ops/reduce.js';
import { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import type { BallStep } from './ball.js';
import { drawWindow, squareGrid, squarePattern, type SquareWindow, type WindowSettings } from './square-windows.js';

/** What the Square Attack (`square.ts`) does to images, on the GPU: where it starts, and what it tries in each iteration. */

/** Iterations whose random numbers are drawn together. */
export const CHUNK = 64;

/** The ball and the range. */
export type SquareBall = Omit<BallStep, 'stepSize'>;

/** Keeps lengths that are divided by from 0. */
const TINY = 1e-12;

/** What {@link SquareDraws} draws for {@link CHUNK} iterations. */
export interface SquareChunk {
  /**
   * `[CHUNK, k, h, w]`: 1 in the window and 0 outside, k = 1 (Linf); that, the same for both windows together, and the pattern in its
   * place, k = 3 (L2).
   */
  readonly windows: Tensor;
  /** 1 or -1, `[m, CHUNK, c]`, or `[1, CHUNK, c]` where the samples share them. */
  readonly signs: Tensor;
}

/**
 * The random numbers of a search. What the samples share comes from one sequence, what is a sample's own from rows of its number. The
 * generator has moved on by all of it once this is made.
 */
export class SquareDraws {
  readonly #images: Tensor;
  readonly #settings: WindowSettings;
  readonly #patterns = new Map<string, Float64Array>();
  readonly #start: Generator;
  readonly #grid: Generator;
  readonly #windows: Generator;
  readonly #signs: Generator;

  /** For images `x` `[m, c, h, w]` and so many iterations. */
  constructor(generator: Generator, x: Tensor, iterations: number, settings: WindowSettings) {
    this.#images = x;
    this.#settings = settings;
    // Far apart, so that a search of fewer iterations is the beginning of a longer one.
    const apart = (): Generator => Generator.fromState(generator.reserveRows());
    [this.#start, this.#grid, this.#windows] = [apart(), apart(), apart()];
    this.#signs = Generator.fromState(generator.state());
    for (let done = 0; done < iterations; done += CHUNK) generator.reserveRows();
  }

  /** Vertical stripes of `x` + eps and - eps for the samples of numbers `rows`, each channel with its own: the start of Linf. */
  stripes(rows: Tensor, { eps, clipMin: min, clipMax: max }: SquareBall): Tensor {
    const x = this.#images;
    const [m = 0, channels = 0, , width = 0] = x.shape;
    const signs = signsOf(rand([m, channels * width], { device: x.device, generator: this.#start, rows }));
    return clamp(add(x, mul(reshape(signs, [m, channels, 1, width]), eps)), { min, max });
  }

  /** A grid of patterns around `x`, each with a sign for each sample of `rows` and channel: the start of L2. */
  squares(rows: Tensor, ball: SquareBall): Tensor {
    const x = this.#images;
    const { device } = x;
    const [m = 0, channels = 0] = x.shape;
    const grid = squareGrid(this.#grid, this.#settings.height, this.#settings.width);
    const signs = signsOf(rand([m, channels * grid.count], { device, generator: this.#start, rows }));
    const spread = indexSelect(reshape(signs, [m * channels, grid.count]), 1, tensor(grid.squares, { device }));
    return atLength(reshape(mul(spread, tensor(grid.pattern, { device })), x.shape), x, ball);
  }

  /** The next iterations, from `first` on, for samples of numbers `rows`. */
  next(first: number, rows: Tensor): SquareChunk {
    const { device, shape } = this.#images;
    const [, channels = 0] = shape;
    const { height, width, norm } = this.#settings;
    const planes = norm === 'linf' ? 1 : 3;
    const values = new Float32Array(CHUNK * planes * height * width);
    const signs: number[] = [];
    for (let i = 0; i < CHUNK; i++) {
      const window = drawWindow(this.#windows, first + i, channels, this.#settings);
      this.#write(values, i * planes * height * width, window);
      signs.push(...window.signs);
    }
    const windows = tensor(values, { device, shape: [CHUNK, planes, height, width] });
    if (norm === 'linf') return { windows, signs: tensor(signs, { device, shape: [1, CHUNK, channels] }) };
    const own = signsOf(rand([rows.size, CHUNK * channels], { device, generator: this.#signs, rows }));
    return { windows, signs: reshape(own, [rows.size, CHUNK, channels]) };
  }

  /** Writes the planes of one window, from place `start` on. */
  #write(values: Float32Array, start: number, window: SquareWindow): void {
    const { height, width, norm } = this.#settings;
    const { side, top, left, secondTop, secondLeft, turned } = window;
    const write = (plane: number, row: number, column: number, valueAt: (at: number) => number): void => {
      for (let at = 0; at < side * side; at++) {
        const pixel = (row + Math.floor(at / side)) * width + column + (at % side);
        values[start + plane * height * width + pixel] = valueAt(at);
      }
    };
    write(0, top, left, () => 1);
    if (norm === 'linf') return;
    write(1, top, left, () => 1);
    write(1, secondTop, secondLeft, () => 1);
    const pattern = this.#pattern(side, turned);
    write(2, top, left, (at) => pattern[at] ?? 0);
  }

  #pattern(side: number, turned: boolean): Float64Array {
    const key = `${side} ${turned ? 'turned' : 'upright'}`;
    const pattern = this.#patterns.get(key) ?? squarePattern(side, turned);
    this.#patterns.set(key, pattern);
    return pattern;
  }
}

/** The version that the iteration at place `at` (i32 `[1]`) of a chunk tries, of images `x` whose best version is `best`. */
export function linfTry(best: Tensor, x: Tensor, chunk: SquareChunk, at: Tensor, ball: SquareBall): Tensor {
  const { eps, clipMin: min, clipMax: max } = ball;
  const moved = add(best, mul(mul(indexSelect(chunk.windows, 0, at), signsAt(chunk, at)), 2 * eps));
  return clamp(minimum(maximum(moved, sub(x, eps)), add(x, eps)), { min, max });
}

/**
 * The same for L2. With d the perturbation, W the first window and V both, each channel of d in W becomes
 *
 *     u sqrt(max(eps^2 - ||d||^2, 0) / c + ||d_V||^2),   u: the direction of sign pattern + d_W / ||d_W||
 *
 * the rest of V goes to 0, and all of it to length eps. The lengths under the root are those of all channels, as in AutoAttack.
 */
export function l2Try(best: Tensor, x: Tensor, chunk: SquareChunk, at: Tensor, ball: SquareBall): Tensor {
  const [, channels = 1, height = 0, width = 0] = x.shape;
  const planes = reshape(indexSelect(chunk.windows, 0, at), [3, height, width]);
  const [first, both, pattern] = split(planes, 1) as [Tensor, Tensor, Tensor];
  const moved = sub(best, x);
  const own = mul(moved, first);
  const direction = add(mul(pattern, signsAt(chunk, at)), div(own, add(lengths(own, [2, 3]), TINY)));
  const unused = relu(sub(ball.eps ** 2, squaredLengths(moved, [1, 2, 3])));
  const length = sqrt(add(div(unused, channels), squaredLengths(mul(moved, both), [1, 2, 3])));
  const change = mul(div(direction, add(lengths(direction, [2, 3]), TINY)), length);
  return atLength(add(mul(moved, sub(1, both)), change), x, ball);
}

/** `x` with perturbations of length eps in the directions `moved`, in the range. */
function atLength(moved: Tensor, x: Tensor, { eps, clipMin: min, clipMax: max }: SquareBall): Tensor {
  const unit = div(moved, add(lengths(moved, [1, 2, 3]), TINY));
  return clamp(add(x, mul(unit, eps)), { min, max });
}

function signsAt({ signs }: SquareChunk, at: Tensor): Tensor {
  const [m = 0, , channels = 0] = signs.shape;
  return reshape(indexSelect(signs, 1, at), [m, channels, 1, 1]);
}

/** 1 or -1, by uniform numbers in [0, 1). */
function signsOf(uniform: Tensor): Tensor {
  return sub(mul(to(ge(uniform, 0.5), 'f32'), 2), 1);
}

function squaredLengths(x: Tensor, axes: readonly number[]): Tensor {
  return sum(square(x), axes, { keepDim: true });
}

function lengths(x: Tensor, axes: readonly number[]): Tensor {
  return sqrt(squaredLengths(x, axes));
}
