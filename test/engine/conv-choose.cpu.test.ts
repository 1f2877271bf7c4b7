import { describe, expect, it } from 'vitest';
import { ArgumentError, type Capabilities } from '../../engine/index.js';
import { chooseConv, convGeometry, convVariants, type ConvOptions, type ConvPass } from '../../engine/ops/conv.js';

function adapter(subgroupSize: number, software: boolean): Capabilities {
  return { f16: false, subgroupSize, software, vendor: '', architecture: '', description: '' };
}

const LLVMPIPE = adapter(8, true);
const SWIFTSHADER = adapter(4, true);
const GPU = adapter(32, false);
const BASE = adapter(0, false);

function square(channels: number, filters: number, size: number, options: ConvOptions = {}, kernel = 3) {
  const groups = options.groups ?? 1;
  return convGeometry('test', [64, channels, size, size], [filters, channels / groups, kernel, kernel], options);
}

describe('chooseConv', () => {
  it.each<[string, Capabilities, ConvPass, ReturnType<typeof square>, string]>([
    ['few channels: whole rows', LLVMPIPE, 'forward', square(16, 16, 26), 'rows'],
    ['rows a little longer than a vector: direct', LLVMPIPE, 'forward', square(16, 16, 11), 'broadcast'],
    ['few channels, 4-wide: direct', SWIFTSHADER, 'forward', square(16, 16, 26), 'quad'],
    ['many channels: Winograd', LLVMPIPE, 'forward', square(128, 128, 16, { padding: 1 }), 'winograd4'],
    ['many channels, weight gradient: Winograd', SWIFTSHADER, 'weightGrad', square(64, 64, 10), 'winograd4'],
    ['images of 2 x 2: tiles of 2 x 2', LLVMPIPE, 'forward', square(512, 512, 2, { padding: 1 }), 'winograd2'],
    ['the same, weight gradient', SWIFTSHADER, 'weightGrad', square(512, 512, 2, { padding: 1 }), 'winograd2'],
    ['tiles mostly outside the image: direct', LLVMPIPE, 'forward', square(32, 32, 7), 'broadcast'],
    ['a 1 x 1 kernel: direct', LLVMPIPE, 'forward', square(256, 256, 16, {}, 1), 'broadcast'],
    ['stride 2: tiles of a product', GPU, 'forward', square(256, 256, 16, { stride: 2 }), 'tile'],
    ['stride 2 on 8 lanes: direct', LLVMPIPE, 'forward', square(256, 256, 16, { stride: 2 }), 'broadcast'],
    ['few channels on a GPU: direct', GPU, 'weightGrad', square(3, 16, 16), 'plain'],
    ['groups: tiles of a product', GPU, 'inputGrad', square(256, 256, 16, { groups: 2 }), 'tile'],
    ['dilation: tiles of a product', BASE, 'forward', square(256, 256, 16, { dilation: 2 }), 'tile'],
    ['padding 3: tiles of a product', BASE, 'forward', square(256, 256, 16, { padding: 3 }), 'tile'],
    ['many channels on a GPU: Winograd', GPU, 'forward', square(256, 256, 16, { padding: 1 }), 'winograd4'],
  ])('%s', (_, caps, pass, geometry, expected) => {
    expect(chooseConv(caps, pass, geometry)).toBe(expected);
  });

  it('offers subgroup variants only where there are subgroups, and always a plain one', () => {
    expect(convVariants(BASE, 'forward', square(3, 8, 32, {}, 5))).toEqual(['plain', 'tile']);
    for (const caps of [LLVMPIPE, SWIFTSHADER, GPU]) {
      expect(new Set(convVariants(caps, 'forward', square(3, 8, 32, {}, 5)))).toEqual(
        new Set(['plain', 'quad', 'broadcast', 'tile']),
      );
    }
  });

  it('leaves Winograd out where its transformed tensors exceed the largest binding', () => {
    // The transformed weights, which are larger than any part of the images.
    const geometry = square(512, 512, 8, { padding: 1 });
    const bytes = 4 * 36 * 512 * 512;
    expect(convVariants(LLVMPIPE, 'forward', geometry, bytes)).toContain('winograd4');
    expect(convVariants(LLVMPIPE, 'forward', geometry, bytes - 1)).not.toContain('winograd4');
  });

  it('runs a forced variant, and refuses one that cannot run', () => {
    expect(chooseConv(LLVMPIPE, 'forward', square(4, 4, 9), 'winograd4')).toBe('winograd4');
    expect(() => chooseConv(LLVMPIPE, 'forward', square(4, 4, 9, { stride: 2 }), 'winograd4')).toThrow(ArgumentError);
    expect(() => chooseConv(BASE, 'forward', square(4, 4, 9), 'quad')).toThrow(
      /variant quad cannot run here; expected one of plain, winograd4, winograd2, tile/,
    );
  });
});
