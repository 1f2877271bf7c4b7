import { ArgumentError, ShapeError } from '../../errors.js';
import { formatShape, type Shape } from '../../shape.js';
import { pairOf, type Pair, type Two } from '../pair.js';

/** Options of a convolution, as PyTorch names them. */
export interface ConvOptions {
  /** 1 by default. */
  readonly stride?: Pair;
  /** Zeros added on each side; 0 by default. */
  readonly padding?: Pair;
  /** Distance between kernel taps; 1 by default. */
  readonly dilation?: Pair;
  /** Input and output channels fall into this many groups that do not mix; 1 by default. */
  readonly groups?: number;
}

/** Every size of a convolution. */
export interface ConvGeometry {
  readonly images: number;
  readonly groups: number;
  /** Input channels of one group. */
  readonly c: number;
  /** Output channels of one group. */
  readonly k: number;
  readonly input: Two;
  readonly kernel: Two;
  readonly output: Two;
  readonly stride: Two;
  readonly padding: Two;
  readonly dilation: Two;
}

/** The three convolutions: each one's derivatives are the other two. */
export type ConvPass = 'forward' | 'inputGrad' | 'weightGrad';

/** `[N, C, H, W]` of the input. */
export function inputShape({ images, groups, c, input }: ConvGeometry): Shape {
  return [images, groups * c, ...input];
}

/** `[K, C / groups, kh, kw]` of the weight. */
export function weightShape({ groups, c, k, kernel }: ConvGeometry): Shape {
  return [groups * k, c, ...kernel];
}

/** `[N, K, H', W']` of the output. */
export function outputShape({ images, groups, k, output }: ConvGeometry): Shape {
  return [images, groups * k, ...output];
}

/**
 * Checks the shapes of input and weight against the options and works out everything else. Throws a `ShapeError` for shapes
 * that do not fit, an `ArgumentError` for options that are not integers in their range.
 */
export function convGeometry(op: string, x: Shape, weight: Shape, options: ConvOptions): ConvGeometry {
  const shapes = `input ${formatShape(x)}, weight ${formatShape(weight)}`;
  const { stride, padding, dilation, groups } = checkOptions(op, shapes, options);
  const [n, channels, h, w] = x;
  const [k, c, kh, kw] = weight;
  const complete = x.length === 4 && weight.length === 4;
  if (!complete || n === undefined || channels === undefined || h === undefined || w === undefined) {
    throw new ShapeError(`${op}: ${shapes}; expected input [N, C, H, W] and weight [K, C / groups, kh, kw]`);
  }
  if (k === undefined || c === undefined || kh === undefined || kw === undefined || channels !== c * groups) {
    throw new ShapeError(
      `${op}: ${shapes} with ${groups} groups; the weight's second axis must be ${channels} / ${groups} input channels`,
    );
  }
  if (k % groups !== 0) {
    throw new ShapeError(`${op}: ${shapes}; ${k} output channels do not divide into ${groups} groups`);
  }
  if (kh === 0 || kw === 0) {
    throw new ShapeError(`${op}: ${shapes}; the kernel must have at least one tap along each axis`);
  }
  const extent = (axis: 0 | 1, size: number, taps: number): number =>
    Math.floor((size + 2 * padding[axis] - dilation[axis] * (taps - 1) - 1) / stride[axis]) + 1;
  const output: Two = [extent(0, h, kh), extent(1, w, kw)];
  if (output[0] < 1 || output[1] < 1) {
    throw new ShapeError(
      `${op}: ${shapes} with padding ${formatShape(padding)} and dilation ${formatShape(dilation)}; ` +
        'the kernel is larger than the padded input',
    );
  }
  return { images: n, groups, c, k: k / groups, input: [h, w], kernel: [kh, kw], output, stride, padding, dilation };
}

function checkOptions(op: string, shapes: string, options: ConvOptions) {
  const [stride, padding, dilation] = [
    pairOf(options.stride ?? 1),
    pairOf(options.padding ?? 0),
    pairOf(options.dilation ?? 1),
  ];
  const { groups = 1 } = options;
  for (const [name, values, least] of [
    ['stride', stride, 1],
    ['padding', padding, 0],
    ['dilation', dilation, 1],
    ['groups', [groups], 1],
  ] as const) {
    if (!values.every((value) => Number.isInteger(value) && value >= least)) {
      const given = name === 'groups' ? groups : formatShape(values);
      throw new ArgumentError(`${op}: ${name} ${given} (${shapes}); expected integers of at least ${least}`);
    }
  }
  return { stride, padding, dilation, groups };
}

/**
 * How one axis of a gathering convolution is walked. Position i of the grid, written to `outOrigin + i * outStride`, sums
 * taps t = 0 .. count - 1 of the source at `i * inStride + origin + t * step`; they are kernel taps `tap + t * tapStride`.
 */
export interface Walk {
  readonly grid: number;
  readonly inStride: number;
  readonly origin: number;
  readonly step: number;
  readonly count: number;
  readonly tap: number;
  readonly tapStride: number;
  readonly outStride: number;
  readonly outOrigin: number;
}

/** The forward pass along an axis. */
export function forwardWalk(g: ConvGeometry, axis: 0 | 1): Walk {
  return {
    grid: g.output[axis],
    inStride: g.stride[axis],
    origin: -g.padding[axis],
    step: g.dilation[axis],
    count: g.kernel[axis],
    tap: 0,
    tapStride: 1,
    outStride: 1,
    outOrigin: 0,
  };
}

/**
 * The input gradient along an axis, one walk per residue of the position modulo the stride. With the taps in reverse
 * order, r' = kernel - 1 - r, input position s i + a takes dY at i + (a + padding - (kernel - 1 - r') dilation) / s: only the
 * taps that make this a whole number, which are every s / gcd(s, dilation)-th from the first, if there is one at all.
 */
export function inputGradWalks(g: ConvGeometry, axis: 0 | 1): Walk[] {
  const [size, taps, stride] = [g.input[axis], g.kernel[axis], g.stride[axis]];
  const [padding, dilation] = [g.padding[axis], g.dilation[axis]];
  const every = stride / greatestCommonDivisor(stride, dilation);
  return Array.from({ length: Math.min(stride, size) }, (_, residue) => {
    const distance = (tap: number): number => residue + padding - (taps - 1 - tap) * dilation;
    let tap = 0;
    while (tap < Math.min(every, taps) && distance(tap) % stride !== 0) tap++;
    const any = tap < Math.min(every, taps);
    return {
      grid: Math.ceil((size - residue) / stride),
      inStride: 1,
      origin: any ? distance(tap) / stride : 0,
      step: (every * dilation) / stride,
      count: any ? Math.ceil((taps - tap) / every) : 0,
      tap: any ? tap : 0,
      tapStride: every,
      outStride: stride,
      outOrigin: residue,
    };
  });
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
