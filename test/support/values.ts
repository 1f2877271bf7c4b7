/**
 * Values spread evenly over (low, high) in a random order: no two are equal, and none is where `low`, `high` and small fractions of their
 * distance are, so that differences can be taken of functions with kinks there.
 */
export function spreadFloats(count: number, seed: number, low = -1, high = 1): Float32Array<ArrayBuffer> {
  const order = Array.from({ length: count }, (_, index) => index);
  const draws = uniformFloats(count, seed, 0, 1);
  for (let last = count - 1; last > 0; last--) {
    const chosen = Math.min(last, Math.floor((draws[last] ?? 0) * (last + 1)));
    [order[last], order[chosen]] = [order[chosen] ?? 0, order[last] ?? 0];
  }
  // Neither 0 nor 1/2, which would put a value in the middle of the range.
  const offset = 0.2 + 0.2 * ((seed * 0.6180339887) % 1);
  return Float32Array.from(order, (place) => low + ((high - low) * (place + offset)) / count);
}

/** Deterministic pseudo-random f32 values for tests, by a hash of its own: independent of the engine's generator. */
export function uniformFloats(count: number, seed: number, low = -1, high = 1): Float32Array<ArrayBuffer> {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    x = (x ^ (x >>> 15)) >>> 0;
    return low + ((high - low) * x) / 2 ** 32;
  });
}
