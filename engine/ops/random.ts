/** Tensors of random numbers and dropout, with the values that the CPU's {@link Generator} gives, bit for bit. */
import randomSource from '../../shaders/random.wgsl';
import type { Device } from '../device.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { defineKernel, floatWord, foldWorkgroups, type Kernel, type Scalar, type Word } from '../kernel.js';
import { normalKnots } from '../normal.js';
import { applyOne, defineOp, expectDType, nth, type Op } from '../op.js';
import {
  Generator,
  WORDS_PER_BLOCK,
  normalScale,
  uniformScale,
  type GeneratorState,
  type Purpose,
  type Seed,
} from '../random.js';
import { checkShape, formatShape, sizeOf, type Shape } from '../shape.js';
import { keep, type Tensor } from '../tensor.js';
import { tensor } from './create.js';

const uniformKernel = defineKernel({ name: 'random', source: randomSource, bindings: ['write'] });
const normalKernel = defineKernel({ name: 'random', source: randomSource, bindings: ['read', 'write'] });
const uniformRowsKernel = defineKernel({ name: 'random', source: randomSource, bindings: ['read', 'write'] });
const normalRowsKernel = defineKernel({ name: 'random', source: randomSource, bindings: ['read', 'read', 'write'] });
const dropoutKernel = defineKernel({ name: 'random', source: randomSource, bindings: ['read', 'write'] });

/** Where random tensors are made, and from which numbers. */
export interface RandomOptions {
  readonly device: Device;
  /** Continues this stream. Without it and without `seed`: the device's own, see {@link generatorOf}. */
  readonly generator?: Generator | undefined;
  /** Starts a new stream of this seed, so that the same call gives the same values. */
  readonly seed?: Seed | undefined;
  /**
   * Numbers of the rows, i32 `[m]`: row i of the result `[m, ...]` gets the numbers of row `rows[i]`, which depend on nothing else. So
   * the same rows in another order, or fewer of them, get the same numbers. The generator then moves on by 2^32 blocks; the
   * largest number of a row times the blocks of one (ceil(size / 4)) has to be below that.
   */
  readonly rows?: Tensor | undefined;
}

/** Options of {@link rand}. */
export interface RandOptions extends RandomOptions {
  /** Draw from [-bound, bound) instead of [0, 1). */
  readonly bound?: Scalar | undefined;
}

/** Options of {@link randn}. */
export interface RandnOptions extends RandomOptions {
  /** Standard deviation; 1 unless told. */
  readonly std?: number | undefined;
}

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** Outside training dropout does nothing; true unless told. */
  readonly training?: boolean | undefined;
  /** Where the mask comes from; the device's own stream for dropout unless told. */
  readonly generator?: Generator | undefined;
}

interface DeviceGenerators {
  readonly seed: Seed;
  readonly byPurpose: Map<Purpose, Generator>;
}

const generators = new WeakMap<Device, DeviceGenerators>();

/** Restarts the device's own streams, of every purpose, from `seed`. */
export function manualSeed(device: Device, seed: Seed): void {
  // One generator is made now, so that a seed out of range is refused here.
  generators.set(device, { seed, byPurpose: new Map([['general', new Generator(seed)]]) });
}

/** The device's own stream for a purpose, for whoever passes no generator. Its seed is 0 until {@link manualSeed}. */
export function generatorOf(device: Device, purpose: Purpose = 'general'): Generator {
  let own = generators.get(device);
  if (!own) generators.set(device, (own = { seed: 0, byPurpose: new Map() }));
  let generator = own.byPurpose.get(purpose);
  if (!generator) own.byPurpose.set(purpose, (generator = new Generator(own.seed, { purpose })));
  return generator;
}

function chooseGenerator(op: string, { device, generator, seed }: RandomOptions): Generator {
  if (generator && seed !== undefined) {
    throw new ArgumentError(`${op}: both a generator and a seed were given; give one of them`);
  }
  return generator ?? (seed === undefined ? generatorOf(device) : new Generator(seed));
}

const knotTables = new WeakMap<Device, Tensor>();

/** The quantile's table on a device: made by the first `randn` and kept for the device's life (3.5 KB). */
function knotTable(device: Device): Tensor {
  let table = knotTables.get(device);
  if (!table || table.freed) {
    table = keep(tensor(Uint32Array.from(normalKnots()), { device, dtype: 'u32' }));
    knotTables.set(device, table);
  }
  return table;
}

interface Launch {
  readonly kernel: Kernel;
  readonly kind: 'uniform' | 'normal' | 'dropout';
  readonly input?: Tensor;
  readonly rows?: Tensor | undefined;
  readonly output: Tensor;
  readonly start: () => GeneratorState;
  readonly centre?: number;
  readonly scale: Scalar;
}

function launch({ kernel, kind, input, rows, output, start, centre = 0, scale }: Launch): void {
  if (output.size === 0) return;
  const rowLength = output.size / (rows?.size ?? 1);
  const blocksPerRow = Math.ceil(rowLength / WORDS_PER_BLOCK);
  const blocks = blocksPerRow * (rows?.size ?? 1);
  output.device.dispatch({
    kernel,
    constants: { KIND: kind, BY_ROWS: rows ? 1 : 0 },
    buffers: [...(rows ? [rows.range] : []), ...(input ? [input.range] : []), output.range],
    uniforms: [...stateWords(start), blocks, centre, floatWord(scale), ...(rows ? [blocksPerRow, rowLength] : [])],
    workgroups: foldWorkgroups(Math.ceil(blocks / 64)),
    label: kind,
  });
}

/** Seed, offset and stream. */
function stateWords(start: () => GeneratorState): Word[] {
  return (['seed', 'offset', 'stream'] as const).flatMap((part) => [() => start()[part][0], () => start()[part][1]]);
}

/** Where the numbers of a shape start. */
function reserved(op: string, shape: Shape, options: RandomOptions): () => GeneratorState {
  const { device, rows } = options;
  if (!rows) return device.perRun(() => chooseGenerator(op, options).reserve(sizeOf(shape)));
  if (rows.dtype !== 'i32' || rows.rank !== 1 || shape.length === 0 || rows.size !== shape[0]) {
    throw new ShapeError(
      `${op}: rows are ${rows.dtype} ${formatShape(rows.shape)} for numbers ${formatShape(shape)}; expected i32, one for each of the first axis`,
    );
  }
  return device.perRun(() => chooseGenerator(op, options).reserveRows());
}

/**
 * Uniform numbers in [0, 1), multiples of 2^-24; with `bound`, in [-bound, bound).
 *
 * Throws an `ArgumentError` for a bound that is negative or not finite, or for both a seed and a generator; a `ShapeError` for rows
 * that do not fit the shape.
 */
export function rand(shape: Shape, options: RandOptions): Tensor {
  checkShape('rand', shape);
  const { bound } = options;
  const { centre, scale: fixed } = uniformScale(typeof bound === 'function' ? bound() : bound);
  const scale = typeof bound === 'function' ? () => uniformScale(bound()).scale : fixed;
  const { rows } = options;
  const start = reserved('rand', shape, options);
  const output = options.device.empty(shape, 'f32');
  launch({ kernel: rows ? uniformRowsKernel : uniformKernel, kind: 'uniform', rows, output, start, centre, scale });
  return output;
}

/**
 * Normal numbers of mean 0 and standard deviation `std`, by the quantile function (within 6e-5 of the true one, times
 * `std`; see `engine/normal.ts`). Their bits are the CPU's; where `std` is no power of two this supposes that the GPU
 * rounds products to nearest, as all do.
 *
 * Throws an `ArgumentError` for a `std` that is negative or not finite, or for both a seed and a generator; a `ShapeError` for rows
 * that do not fit the shape.
 */
export function randn(shape: Shape, options: RandnOptions): Tensor {
  checkShape('randn', shape);
  const scale = normalScale(options.std ?? 1);
  const { device, rows } = options;
  const start = reserved('randn', shape, options);
  const output = device.empty(shape, 'f32');
  const kernel = rows ? normalRowsKernel : normalKernel;
  launch({ kernel, kind: 'normal', input: knotTable(device), rows, output, start, scale });
  return output;
}

interface DropoutAttrs {
  /** Probability of zero. */
  readonly p: number;
  /** Where the mask's numbers start. */
  readonly start: () => GeneratorState;
}

const dropoutOp: Op<DropoutAttrs> = defineOp({
  name: 'dropout',
  summary: 'Sets each element to zero with probability p and divides the others by 1 - p.',
  samples: [[], [1], [3], [0, 3], [2, 3, 5], [1027]].map((shape, index) => ({
    shapes: [shape],
    attrs: { p: 0.4, start: () => new Generator(index, { purpose: 'dropout' }).state() },
  })),
  infer: (inputs) => {
    expectDType('dropout', inputs, 'f32');
    return [{ shape: nth(inputs, 0).shape, dtype: 'f32' }];
  },
  run: ({ inputs, outputs, attrs: { p, start } }) => {
    launch({
      kernel: dropoutKernel,
      kind: 'dropout',
      input: nth(inputs, 0),
      output: nth(outputs, 0),
      start,
      centre: Math.round(p * 2 ** 24),
      scale: p === 1 ? 0 : 1 / (1 - p),
    });
  },
  // The mask is made again from the same numbers, so none is stored.
  backward: ({ grads, attrs }) => [applyOne(dropoutOp, [nth(grads, 0)], attrs)],
});

/**
 * Sets each element to zero with probability `p` (in steps of 2^-24) and divides the others by 1 - p; outside training,
 * and for p = 0, returns `x` itself. Differentiable any number of times. Srivastava et al., "Dropout", JMLR 2014.
 *
 * Throws an `ArgumentError` for a `p` outside [0, 1].
 */
export function dropout(x: Tensor, p = 0.5, options: DropoutOptions = {}): Tensor {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`dropout: p is ${p}; expected a probability, 0 to 1`);
  expectDType('dropout', [x], 'f32', 'f16');
  const { training = true } = options;
  if (!training || p === 0) return x;
  const { device, size } = x;
  const start = device.perRun(() => (options.generator ?? generatorOf(device, 'dropout')).reserve(size));
  return applyOne(dropoutOp, [x], { p, start });
}
