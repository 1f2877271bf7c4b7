/** The 16-bit floats that checkpoints come in, as bit patterns: IEEE 754 binary16 (F16) and bfloat16 (BF16). */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

function bitsOf(value: number): number {
  float[0] = value;
  return bits[0] ?? 0;
}

function valueOf(pattern: number): number {
  bits[0] = pattern;
  return float[0] ?? 0;
}

/** `x / 2^shift` rounded to the nearest integer, ties to even, for unsigned 32-bit `x` and `shift` of 1 .. 31. */
function shiftRounded(x: number, shift: number): number {
  const quotient = x >>> shift;
  const rest = x - quotient * 2 ** shift;
  const half = 2 ** (shift - 1);
  return rest > half || (rest === half && quotient % 2 === 1) ? quotient + 1 : quotient;
}

/** Bit pattern of the binary16 nearest to each float32, ties to even; what is too large becomes infinity. */
export function toFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, (value) => {
    const pattern = bitsOf(value);
    const sign = (pattern >>> 16) & 0x8000;
    const magnitude = pattern & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00;
    if (magnitude >= 0x47800000) return sign | 0x7c00;
    // Normal: move the exponent's bias from 127 to 15 and round 13 bits off; a carry rightly runs into the exponent.
    if (magnitude >= 0x38800000) return sign | shiftRounded(magnitude - 0x38000000, 13);
    // Subnormal: the significand with its hidden bit, in units of 2^-24.
    const exponent = magnitude >>> 23;
    return exponent < 102 ? sign : sign | shiftRounded((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
  });
}

/** The float32 values of binary16 bit patterns, exact. */
export function fromFloat16(patterns: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(patterns, (pattern) => {
    const sign = pattern >>> 15 === 1 ? -1 : 1;
    const exponent = (pattern >>> 10) & 31;
    const fraction = pattern & 0x3ff;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
  });
}

/** Bit pattern of the bfloat16 nearest to each float32, ties to even. */
export function toBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, (value) => {
    const pattern = bitsOf(value);
    if ((pattern & 0x7fffffff) > 0x7f800000) return (pattern >>> 16) | 0x40;
    return shiftRounded(pattern, 16);
  });
}

/** The float32 values of bfloat16 bit patterns, exact. */
export function fromBfloat16(patterns: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(patterns, (pattern) => valueOf(pattern << 16));
}
