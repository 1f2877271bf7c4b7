import { describe, expect, it } from 'vitest';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../engine/float16.js';

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The float32 of a bit pattern. */
function pattern(word: number): number {
  bits[0] = word;
  return float[0] ?? NaN;
}

const ALL = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** The finite patterns of one sign, in increasing order of magnitude. */
function finite(values: Float32Array): [code: number, value: number][] {
  return Array.from(values.subarray(0, 0x8000), (value, code): [number, number] => [code, value]).filter(([, value]) =>
    Number.isFinite(value),
  );
}

describe('float16', () => {
  it('knows the values that IEEE 754 gives', () => {
    const known: [code: number, value: number][] = [
      [0x0000, 0],
      [0x8000, -0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x0400, 2 ** -14],
      [0x03ff, 2 ** -14 - 2 ** -24],
      [0x0001, 2 ** -24],
      [0x3555, 0.333251953125],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    for (const [code, value] of known) {
      expect(fromFloat16(Uint16Array.of(code))[0]).toBe(value);
      expect(toFloat16(Float32Array.of(value))[0]).toBe(code);
    }
    expect(fromFloat16(Uint16Array.of(0x7e01))[0]).toBeNaN();
    expect(toFloat16(Float32Array.of(NaN))[0]).toBe(0x7e00);
  });
});

describe.each([
  { name: 'float16', to: toFloat16, from: fromFloat16, largest: 65504 },
  { name: 'bfloat16', to: toBfloat16, from: fromBfloat16, largest: pattern(0x7f7f0000) },
])('$name', ({ to, from, largest }) => {
  const values = from(ALL);

  it('returns every pattern as it was', () => {
    const back = to(values);
    const again = from(back);
    const wrong = ALL.filter((code) => (Number.isNaN(values[code]) ? !Number.isNaN(again[code]) : back[code] !== code));
    expect([...wrong]).toEqual([]);
  });

  it('rounds to the nearest, ties to even, in both signs', () => {
    const ordered = finite(values);
    expect(ordered.at(-1)?.[1]).toBe(largest);
    const wrong: number[] = [];
    for (let i = 1; i < ordered.length; i++) {
      const [below, low] = ordered[i - 1] ?? [0, 0];
      const [above, high] = ordered[i] ?? [0, 0];
      const middle = (low + high) / 2; // exact in float32
      const even = below % 2 === 0 ? below : above;
      float[0] = middle;
      const word = bits[0] ?? 0;
      const found = to(Float32Array.of(middle, pattern(word + 1), pattern(word - 1), -middle));
      if (found.join() !== [even, above, below, even | 0x8000].join()) wrong.push(middle);
    }
    expect(wrong).toEqual([]);
  });

  it('makes infinity of what is beyond the largest by half a step', () => {
    const step = largest - (finite(values).at(-2)?.[1] ?? 0);
    const infinity = to(Float32Array.of(Infinity))[0];
    expect(to(Float32Array.of(largest + step / 2))[0]).toBe(infinity);
    expect(to(Float32Array.of(largest + step / 4))[0]).not.toBe(infinity);
    expect(to(Float32Array.of(3.4028234663852886e38))[0]).toBe(infinity);
  });
});
