import { ArgumentError } from '../engine/errors.js';

/** A fraction of a sample, with what it says about the whole. */
export interface Proportion {
  readonly count: number;
  readonly total: number;
  /** count / total. */
  readonly value: number;
  /** Ends of the interval of confidence. */
  readonly low: number;
  readonly high: number;
}

/** The normal quantile of a two-sided interval of 95 % confidence. */
const Z_95 = 1.959963984540054;

/**
 * A proportion with its interval of 95 % confidence by Wilson's score method: E. B. Wilson, "Probable inference, the law of
 * succession, and statistical inference", JASA 1927. Unlike the textbook interval it stays within [0, 1] and has a width at 0
 * and at 1. With n = total, p = count / n and z = 1.96,
 *
 *     (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
 *
 * Throws an `ArgumentError` unless count and total are integers with 0 <= count <= total and total is at least 1.
 */
export function wilson(count: number, total: number, z = Z_95): Proportion {
  if (!Number.isInteger(count) || !Number.isInteger(total) || count < 0 || total < 1 || count > total) {
    throw new ArgumentError(`wilson: ${count} of ${total}; expected integers, 0 <= count <= total, total at least 1`);
  }
  const value = count / total;
  const square = z ** 2 / total;
  const centre = value + square / 2;
  const spread = z * Math.sqrt((value * (1 - value)) / total + square / (4 * total));
  return {
    count,
    total,
    value,
    low: count === 0 ? 0 : (centre - spread) / (1 + square),
    high: count === total ? 1 : (centre + spread) / (1 + square),
  };
}

/**
 * How probable it is that of `wins + losses` fair coins at least `losses` fall on that side: McNemar's test of two attacks on the same
 * examples, exact and one-sided, where examples that both or neither fool say nothing. Small where the losses are no chance; 1 for none.
 *
 * @throws ArgumentError unless both are integers from 0 up
 */
export function signTest(wins: number, losses: number): number {
  if (![wins, losses].every((count) => Number.isSafeInteger(count) && count >= 0)) {
    throw new ArgumentError(`signTest: ${wins} wins and ${losses} losses; expected integers from 0 up`);
  }
  const flips = wins + losses;
  // In logarithms: 2^-flips alone underflows from a thousand flips on.
  let log = -flips * Math.LN2;
  let tail = 0;
  for (let heads = flips; heads >= losses; heads--) {
    tail += Math.exp(log);
    log += Math.log(heads) - Math.log(flips - heads + 1);
  }
  return Math.min(1, tail);
}

/**
 * The mutual information, in nats, of a joint distribution given by rows (it is divided by its sum first), in float64:
 * sum_ab P_ab ln(P_ab / (P_a. P_.b)) with 0 ln 0 = 0.
 */
export function mutualInformationOf(joint: readonly (readonly number[])[]): number {
  const total = joint.flat().reduce((sum, value) => sum + value, 0);
  const rows = joint.map((row) => row.reduce((sum, value) => sum + value, 0) / total);
  const columns = (joint[0] ?? []).map((_, b) => joint.reduce((sum, row) => sum + (row[b] ?? 0), 0) / total);
  let information = 0;
  for (const [a, row] of joint.entries()) {
    for (const [b, value] of row.entries()) {
      const p = value / total;
      if (p > 0) information += p * Math.log(p / ((rows[a] ?? 0) * (columns[b] ?? 0)));
    }
  }
  return Math.max(0, information);
}
