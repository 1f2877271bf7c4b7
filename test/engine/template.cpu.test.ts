import { describe, expect, it } from 'vitest';
import { KernelError } from '../../engine/errors.js';
import { specialise } from '../../engine/template.js';

const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');

describe('specialise', () => {
  it('puts constants after the enable lines', () => {
    const text = specialise('k', 'enable subgroups;\nfn main() {}', { TM: 8, SYM: true, T: 'f32', OP: 'exp', LOW: -1 });
    expect(lines(text)).toEqual([
      'enable subgroups;',
      'const TM: u32 = 8u;',
      'const SYM: bool = true;',
      'alias T = f32;',
      'const LOW: i32 = -1;',
      'fn main() {}',
    ]);
  });

  it('unrolls, nested, with arithmetic', () => {
    const source = [
      '//#unroll i 0 TM',
      '//#unroll j 1 3',
      'x_$i_$j = $[2 * i + j - (TM - 1) / 1];',
      '//#end',
      '//#end',
    ];
    expect(lines(specialise('k', source.join('\n'), { TM: 2 })).slice(1)).toEqual([
      'x_0_1 = 0;',
      'x_0_2 = 1;',
      'x_1_1 = 2;',
      'x_1_2 = 3;',
    ]);
  });

  it('keeps the branch whose condition holds', () => {
    const source = '//#if MODE == fast\na\n//#else\n//#if !BIAS\nb\n//#else\nc\n//#end\n//#end\nd';
    expect(lines(specialise('k', source, { MODE: 'fast', BIAS: true })).slice(1)).toEqual(['a', 'd']);
    expect(lines(specialise('k', source, { MODE: 'slow', BIAS: true })).slice(1)).toEqual(['c', 'd']);
    expect(lines(specialise('k', source, { MODE: 'slow', BIAS: false })).slice(1)).toEqual(['b', 'd']);
  });

  it('compares, in arithmetic and in conditions', () => {
    const source = '//#unroll q 0 3\n//#if q == PAD\nsame\n//#else\nx_$[4 + (q > PAD) - (q < PAD)]\n//#end\n//#end';
    expect(lines(specialise('k', source, { PAD: 1 })).slice(1)).toEqual(['x_3', 'same', 'x_5']);
    const condition = '//#if 2 * PAD > 3\na\n//#else\nb\n//#end';
    expect(lines(specialise('k', condition, { PAD: 2 })).slice(1)).toEqual(['a']);
    expect(lines(specialise('k', condition, { PAD: 1 })).slice(1)).toEqual(['b']);
  });

  it('names the kernel and what is wrong with it', () => {
    expect(() => specialise('conv', '//#unroll i 0 2\nx')).toThrow(KernelError);
    expect(() => specialise('conv', '//#unroll i 0 2\nx')).toThrow(/conv\.wgsl: '\/\/#unroll i 0 2'.*no \/\/#end/);
    expect(() => specialise('conv', '$TM')).toThrow(/conv\.wgsl: 'TM' is not among/);
    expect(() => specialise('conv', '//#repeat\n//#end')).toThrow(/unknown directive|no \/\/#end/);
  });
});
