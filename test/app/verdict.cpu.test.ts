import { describe, expect, it } from 'vitest';
import { formatBytes } from '../../app/rooms/device/bytes.js';
import { verdictOf } from '../../app/rooms/device/verdict.js';
import type { KernelCheck } from '../../engine/index.js';

const check = (passed: boolean): KernelCheck => ({ name: 'add', passed, error: passed ? 0 : 1, tolerance: 1e-6 });

describe('verdictOf', () => {
  it('trusts an adapter when all is right, and only then', () => {
    expect(verdictOf([check(true), check(true)], 2)).toMatchObject({
      kind: 'right',
      text: '✓ All 2 kernels agree with the processor.',
    });
    const part = verdictOf([check(true)], 2);
    expect(part).toMatchObject({ kind: 'part', text: 'The test ended after 1 of 2 kernels, all of them right.' });
    expect(verdictOf([check(true), check(false)], 2).text).toContain('1 of 2 kernels is wrong');
    expect(verdictOf([check(false), check(false)], 51)).toMatchObject({ kind: 'wrong' });
    expect(verdictOf([{ ...check(false), error: NaN, failure: 'no such feature' }], 51).kind).toBe('wrong');
  });
});

describe('formatBytes', () => {
  it('takes the largest unit that leaves at least 1', () => {
    const texts = [0, 1, 1023, 1024, 1536, 16384, 2 ** 20 - 1, 2 ** 28, 2 ** 32, 2 ** 50].map(formatBytes);
    expect(texts.join('; ')).toBe(
      '0 bytes; 1 bytes; 1023 bytes; 1 KiB; 1.5 KiB; 16 KiB; 1024 KiB; 256 MiB; 4 GiB; 1024 TiB',
    );
  });
});
