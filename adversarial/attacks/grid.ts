import { ArgumentError } from '../../engine/errors.js';
import {
  abs,
  add,
  div,
  eq,
  floor,
  le,
  maximum,
  minimum,
  mul,
  round,
  sign,
  square,
  sub,
  where,
} from '../../engine/ops/elementwise.js';
import { reshape } from '../../engine/ops/movement.js';
import { sum } from '../../engine/ops/reduce.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Norm } from './ball.js';
import { rowsOf } from './rows.js';

/**
 * Images that a file of so many bits for each element holds as they are: on the grid of the multiples of 1 / (2^bits - 1) in [0, 1]. The
 * natural images have to be on it, as images read from 8-bit files are for 8 bits.
 */

/** A ball in which points on the grid are looked for. */
export interface GridBall {
  readonly norm: Norm;
  readonly eps: number;
}

/** What rounding in f32 may add to a radius. */
const SLACK = 1 + 1e-6;

/**
 * How much of the way from the natural image is tried, least first: the nearest points of the grid are often somewhat further away than the
 * point itself.
 */
const PARTS = [0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 1];

/** Throws an `ArgumentError` unless `bits` is an integer from 1 to 16. */
export function checkBits(caller: string, bits: number): void {
  if (Number.isInteger(bits) && bits >= 1 && bits <= 16) return;
  throw new ArgumentError(`${caller}: ${bits} bits; expected an integer from 1 to 16, such as 8 for PNG files`);
}

/** Steps of the grid in [0, 1]. */
export function gridSteps(bits: number): number {
  return 2 ** bits - 1;
}

/**
 * Points of the grid near the points `point` of a ball around the images `centre`, both `[m, ...]`, within the same ball. Without a ball, and
 * in an Linf ball, they are the nearest ones; in another, the nearest to a point on the way back to the image, or the last ones on the way
 * there in every element. Elements that end where they began keep their bits.
 */
export function onGrid(point: Tensor, centre: Tensor, bits: number, ball?: GridBall): Tensor {
  const steps = gridSteps(bits);
  const natural = round(mul(centre, steps));
  const place = placeOf(mul(point, steps), natural, ball && { ...ball, eps: ball.eps * steps });
  return where(eq(place, natural), centre, div(place, steps));
}

/** The same in units of the grid's steps. */
function placeOf(point: Tensor, natural: Tensor, ball: GridBall | undefined): Tensor {
  const nearest = round(point);
  if (!ball) return nearest;
  if (ball.norm === 'linf') {
    const furthest = Math.floor(ball.eps * SLACK);
    return minimum(maximum(nearest, sub(natural, furthest)), add(natural, furthest));
  }
  const [x, d] = [rowsOf(natural), sub(rowsOf(point), rowsOf(natural))];
  const limit = SLACK * (ball.norm === 'l2' ? ball.eps ** 2 : ball.eps);
  const size = ball.norm === 'l2' ? square : abs;
  let moved = mul(sign(d), floor(abs(d)));
  for (const part of PARTS) {
    const candidate = round(mul(d, part));
    moved = where(le(sum(size(candidate), [1], { keepDim: true }), limit), candidate, moved);
  }
  return reshape(add(x, moved), point.shape);
}
