import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  ShapeError,
  groupNorm,
  instanceNorm2d,
  layerNorm,
  tensor,
  zeros,
  type Device,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { expectDerivatives, expectForward, type OpCheck } from '../support/op-check.js';
import { at, build, forEachIndex, input, type NdArray, type Reference } from '../support/reference.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/**
 * (x - mean) / sqrt(variance + eps) * weight + bias: `line` names the elements that share statistics, `affine` the place of an
 * element's weight and bias.
 */
function definition(
  eps: number,
  line: (index: readonly number[]) => string,
  affine: (index: readonly number[]) => readonly number[],
): Reference {
  return ([given, weight, bias]) => {
    const x = input(given);
    const lines = new Map<string, number[]>();
    forEachIndex(x.shape, (index) => {
      const values = lines.get(line(index)) ?? [];
      values.push(at(x, index));
      lines.set(line(index), values);
    });
    const statistics = new Map([...lines].map(([key, values]) => [key, momentsOf(values)]));
    return build(x.shape, (index) => {
      const { mean, variance } = statistics.get(line(index)) ?? { mean: 0, variance: 0 };
      const normal = (at(x, index) - mean) / Math.sqrt(variance + eps);
      const part = (values: NdArray | undefined, otherwise: number): number =>
        values ? at(values, affine(index)) : otherwise;
      return normal * part(weight, 1) + part(bias, 0);
    });
  };
}

function momentsOf(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
}

interface Case {
  readonly name: string;
  readonly shape: number[];
  readonly affineShape: number[];
  readonly call: (x: Parameters<typeof layerNorm>[0], options: Parameters<typeof layerNorm>[2]) => typeof x;
  readonly line: (index: readonly number[]) => string;
  readonly affine: (index: readonly number[]) => readonly number[];
}

const channel = (index: readonly number[]): readonly number[] => index.slice(1, 2);

const layer = (shape: number[], axes: number): Case => ({
  name: `layerNorm of the last ${axes} axes of ${shape.join('x')}`,
  shape,
  affineShape: shape.slice(-axes),
  call: (x, options) => layerNorm(x, shape.slice(-axes), options),
  line: (index) => index.slice(0, -axes).join(),
  affine: (index) => index.slice(-axes),
});

const group = (shape: number[], groups: number): Case => ({
  name: `groupNorm of ${shape.join('x')} in ${groups} groups`,
  shape,
  affineShape: shape.slice(1, 2),
  call: (x, options) => groupNorm(x, groups, options),
  line: ([n = 0, c = 0]) => `${n} ${Math.floor((c * groups) / (shape[1] ?? 1))}`,
  affine: channel,
});

const instance = (shape: number[]): Case => ({
  name: `instanceNorm2d of ${shape.join('x')}`,
  shape,
  affineShape: shape.slice(1, 2),
  call: (x, options) => instanceNorm2d(x, options),
  line: (index) => index.slice(0, 2).join(),
  affine: channel,
});

const CASES = [
  layer([3, 7], 1),
  layer([2, 3, 4], 2),
  layer([5], 1),
  layer([2, 1], 1),
  group([2, 6, 3, 5], 3),
  group([1, 4, 2, 2], 1),
  group([3, 4], 2),
  instance([2, 3, 4, 5]),
  instance([1, 2, 1, 3]),
];

describe('normalisation of each sample by itself', () => {
  const checks = CASES.flatMap(({ name, shape, affineShape, call, line, affine }) =>
    [true, false].map((scaled): OpCheck => ({
      name: `${name}${scaled ? ', scaled and shifted' : ''}`,
      shapes: scaled ? [shape, affineShape, affineShape] : [shape],
      call: ([x, weight, bias]) => x && call(x, { weight: weight ?? null, bias: bias ?? null, eps: 1e-3 }),
      definition: definition(1e-3, line, affine),
    })),
  );

  it.each(checks)('$name is its definition, with both derivatives', async (check) => {
    await expectForward(device, check);
    await expectDerivatives(device, check);
  });

  it('keeps its precision far from 0', async () => {
    // A one-pass variance would lose all digits here.
    const values = Float64Array.from({ length: 1024 }, (_, index) => 10_000 + (index % 2));
    const y = await layerNorm(tensor([...values], { device }), [1024], { eps: 1e-5 }).data();
    const [first, second] = [y[0] ?? 0, y[1] ?? 0];
    expect(first).toBeCloseTo(-1, 4);
    expect(second).toBeCloseTo(1, 4);
  });

  it('takes nothing for nothing', () => {
    expect(layerNorm(zeros([0, 5], { device }), [5], { weight: zeros([5], { device }) }).shape).toEqual([0, 5]);
    expect(groupNorm(zeros([2, 4, 0], { device }), 2).shape).toEqual([2, 4, 0]);
  });

  it('refuses what does not fit', () => {
    const x = zeros([2, 4, 3, 3], { device });
    expect(() => layerNorm(x, [4])).toThrow(
      /layerNorm: input \[2, 4, 3, 3\] does not end in \[4\], the axes to normalise/,
    );
    expect(() => groupNorm(x, 3)).toThrow(/groupNorm: input \[2, 4, 3, 3\] in 3 groups; expected/);
    expect(() => instanceNorm2d(zeros([2, 4, 1, 1], { device }))).toThrow(ShapeError);
    expect(() => groupNorm(x, 2, { weight: zeros([2], { device }) })).toThrow(
      /weight \[2\] for input .*; expected 4 values/,
    );
    expect(() => layerNorm(x, [3], { eps: 0 })).toThrow(ArgumentError);
  });
});
