/**
 * Standard normal numbers from integers alone, so that the CPU and every GPU make the same ones.
 *
 * A uniform 32-bit word is a sign bit and a 31-bit tail t, which stands for the tail probability p = (t + 1/2) / 2^32.
 * The magnitude is the quantile z(p) = -Phi^-1(p), read from a table. Knots lie at t = 0 .. 31 and then, in each octave
 * of t, at 32 equal steps: a knot's number is the octave (from the count of leading zeros) and the next five bits, and
 * the bits below interpolate linearly between that knot and the next. Everything is 32-bit integer arithmetic in steps
 * of 2^-28; the result keeps 24 significant bits, so its conversion to float is exact.
 *
 * The interpolated quantile is within 6e-5 of the true one ({@link NORMAL_MAX_ERROR}), and |z| <= 6.338.
 */

/** Results of {@link normalFixed} are in units of 2^-28. */
export const NORMAL_FRACTION_BITS = 28;

/** Bound on the distance between the interpolated quantile and the true one, checked by the tests. */
export const NORMAL_MAX_ERROR = 6e-5;

/** Number of entries of {@link normalKnots}: 32 single tails, 26 octaves of 32 steps, and the end (z = 0). */
export const NORMAL_KNOTS = 32 + 26 * 32 + 1;

const SQRT_TAU = Math.sqrt(2 * Math.PI);

function density(z: number): number {
  return Math.exp(-0.5 * z * z) / SQRT_TAU;
}

/**
 * Upper tail 1 - Phi(z) of the standard normal distribution for z >= 0, to about 1e-13 relative up to z = 8.
 * Power series of Phi(z) - 1/2 below 2.5 (all terms positive), Laplace's continued fraction above
 * (Abramowitz and Stegun 26.2.11 and 26.2.14).
 */
export function normalTail(z: number): number {
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let k = 3; term > sum * 1e-17; k += 2) {
      term *= (z * z) / k;
      sum += term;
    }
    return 0.5 - density(z) * sum;
  }
  let fraction = z;
  for (let k = 100; k > 0; k--) fraction = z + k / fraction;
  return density(z) / fraction;
}

/**
 * The z >= 0 with `normalTail(z) = p`, for p in (0, 1/2], to about 1e-13: Abramowitz and Stegun 26.2.23 (error 4.5e-4)
 * refined by Halley's iteration, which triples the digits each time.
 */
export function normalTailQuantile(p: number): number {
  if (p >= 0.5) return 0;
  const t = Math.sqrt(-2 * Math.log(p));
  const numerator = 2.515517 + t * (0.802853 + t * 0.010328);
  const denominator = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  let z = Math.max(0, t - numerator / denominator);
  for (let i = 0; i < 3; i++) {
    const newton = (normalTail(z) - p) / density(z);
    z += newton / (1 - 0.5 * z * newton);
  }
  return z;
}

/** The tail t at which knot `index` lies; the inverse of the numbering in {@link normalFixed}. */
export function knotTail(index: number): number {
  if (index < 64) return index;
  const octave = Math.floor(index / 32) - 1;
  return ((index % 32) + 32) * 2 ** octave;
}

let knots: Int32Array<ArrayBuffer> | undefined;

/**
 * The table of z(p) in units of 2^-28, {@link NORMAL_KNOTS} entries, decreasing to 0. Computed once in float64. No
 * entry lies near a rounding boundary (the tests check it), so JavaScript engines whose `exp` and `log` differ in the
 * last bit agree.
 */
export function normalKnots(): Int32Array<ArrayBuffer> {
  knots ??= Int32Array.from({ length: NORMAL_KNOTS }, (_, index) =>
    Math.round(normalTailQuantile((knotTail(index) + 0.5) / 2 ** 32) * 2 ** NORMAL_FRACTION_BITS),
  );
  return knots;
}

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers, by 16-bit halves as the shader does it. */
export function mulhi(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const mid = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (mid & 0xffff);
  return aHigh * bHigh + (mid >>> 16) + (carry >>> 16);
}

/**
 * The standard normal number that a uniform 32-bit word stands for, as an integer in units of 2^-28 with at most 24
 * significant bits. `normal_fixed` in `shaders/random.wgsl` is the same function.
 */
export function normalFixed(word: number): number {
  const table = normalKnots();
  const tail = word & 0x7fffffff;
  const rest = 26 - Math.min(Math.clz32(tail), 26);
  const knot = (rest << 5) + (tail >>> rest);
  const fraction = ((tail << (31 - rest)) << 1) >>> 0;
  const start = table[knot] ?? 0;
  const end = table[knot + 1] ?? 0;
  const exact = start - mulhi(start - end, fraction);
  const drop = 8 - Math.min(Math.clz32(exact), 8);
  const magnitude = (exact >>> drop) << drop;
  return word >>> 31 === 1 ? 0 - magnitude : magnitude;
}
