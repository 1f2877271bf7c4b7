/** Height and width, in that order. */
export type Two = readonly [number, number];

/** A size along height and width: one number for both, or `[height, width]`. */
export type Pair = number | Two;

/** Both numbers of a pair. */
export function pairOf(size: Pair): Two {
  return typeof size === 'number' ? [size, size] : size;
}
