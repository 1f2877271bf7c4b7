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
