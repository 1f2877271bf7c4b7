/**
 * Counter-based random numbers: Philox-4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011). A block of four 32-bit words is a pure function of a 64-bit seed (the key) and a 128-bit counter,
 * of which the low half is the offset (the number of the block) and the high half names the stream. So any number can
 * be made anywhere, in any order: the functions here and the kernels of `shaders/random.wgsl` give the same bits.
 */
import { ArgumentError } from './errors.js';
import { NORMAL_FRACTION_BITS, mulhi, normalFixed } from './normal.js';

/** A seed: an integer of 0 .. 2^53 - 1 as a number, of 0 .. 2^64 - 1 as a bigint. */
export type Seed = number | bigint;

/** An unsigned 64-bit integer as two unsigned 32-bit ones, the low one first: JSON can hold it. */
export type U64 = readonly [low: number, high: number];

/**
 * What the streams of one seed are for. Each purpose has streams of its own, so that a model with one more dropout
 * layer, say, sees its data in the same order as before.
 */
export const PURPOSES = ['general', 'init', 'shuffle', 'augmentation', 'start', 'dropout', 'data'] as const;

/** One of {@link PURPOSES}. */
export type Purpose = (typeof PURPOSES)[number];

/** Where a stream stands: all that is needed to continue it, in a form that JSON can hold. */
export interface GeneratorState {
  readonly seed: U64;
  /** High half of the counter: `[index, purpose]`. */
  readonly stream: U64;
  /** Low half of the counter: the number of the next block of four words. */
  readonly offset: U64;
}

/** Which of a seed's streams a {@link Generator} draws from. */
export interface GeneratorOptions {
  /** What the numbers are for; `'general'` unless told. */
  readonly purpose?: Purpose | undefined;
  /** Number of the stream within the purpose, such as the epoch; 0 unless told. An integer of 0 .. 2^32 - 1. */
  readonly index?: number | undefined;
}

/** Words that one Philox block gives. */
export const WORDS_PER_BLOCK = 4;

const TWO_32 = 2 ** 32;

/**
 * One block of Philox-4x32-10: writes the four words of counter (c0, c1, c2, c3) under key (k0, k1) to `out`, from
 * index `at` on. Words past the end of `out` are dropped.
 */
export function philox4x32(
  [c0, c1, c2, c3]: readonly [number, number, number, number],
  [k0, k1]: U64,
  out: Uint32Array,
  at = 0,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulhi(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = mulhi(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** `a + count` modulo 2^64, for an integer `count` of 0 .. 2^53 - 1. */
export function addU64(a: U64, count: number): U64 {
  const low = a[0] + (count % TWO_32);
  const high = a[1] + Math.floor(count / TWO_32) + (low >= TWO_32 ? 1 : 0);
  return [low % TWO_32, high % TWO_32];
}

/** The first `count` words of the stream from `state` on. The state is not changed. */
export function wordsAt(state: GeneratorState, count: number): Uint32Array<ArrayBuffer> {
  const out = new Uint32Array(count);
  let offset = state.offset;
  for (let at = 0; at < count; at += WORDS_PER_BLOCK) {
    philox4x32([...offset, ...state.stream], state.seed, out, at);
    offset = addU64(offset, 1);
  }
  return out;
}

/** The float in [0, 1) of 24 bits that a word stands for. */
export function uniformOf(word: number): number {
  return (word >>> 8) / 2 ** 24;
}

/** The standard normal number that a word stands for, a float32 value; see `engine/normal.ts`. */
export function normalOf(word: number): number {
  return normalFixed(word) / 2 ** NORMAL_FRACTION_BITS;
}

/** `Float32Array.from` with a function, without its iterator, which takes most of the time. */
function mapWords(words: Uint32Array, value: (word: number) => number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(words.length);
  for (let i = 0; i < out.length; i++) out[i] = value(words[i] ?? 0);
  return out;
}

function isInteger(value: number, end: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < end;
}

function checkCount(what: string, n: number): void {
  if (!isInteger(n, TWO_32)) throw new ArgumentError(`${what}: ${n} numbers asked for; give an integer from 0 up`);
}

function seedWords(seed: Seed): U64 {
  const valid = typeof seed === 'bigint' ? seed >= 0n && seed < 1n << 64n : isInteger(seed, 2 ** 53);
  if (!valid) {
    throw new ArgumentError(`seed: ${seed} is not an integer of 0 .. 2^53 - 1 (up to 2^64 - 1 as a bigint)`);
  }
  const whole = BigInt(seed);
  return [Number(whole & 0xffffffffn), Number(whole >> 32n)];
}

function checkedU64(what: string, value: unknown): U64 {
  const words: unknown[] = Array.isArray(value) ? value : [];
  const [low, high] = words;
  if (words.length !== 2 || typeof low !== 'number' || typeof high !== 'number') {
    throw new ArgumentError(`generator state: ${what} is not a pair of numbers [low, high]`);
  }
  if (!isInteger(low, TWO_32) || !isInteger(high, TWO_32)) {
    throw new ArgumentError(`generator state: ${what} [${low}, ${high}] is not two integers of 0 .. 2^32 - 1`);
  }
  return [low, high];
}

/**
 * A stream of random numbers with a position. Drawing n numbers moves it on by the blocks used: ceil(n / 4), or where
 * numbers are rejected (`integers`, `permutation`) as many as it took. What is drawn on a GPU (`rand`, `randn`,
 * `dropout`) moves it in the same way. {@link state} and {@link setState} save and resume it.
 */
export class Generator {
  #seed: U64;
  #stream: U64;
  #offset: U64 = [0, 0];

  /**
   * @param seed same seed, same numbers
   * @throws ArgumentError for a seed or an index outside its range, or an unknown purpose
   */
  constructor(seed: Seed, options: GeneratorOptions = {}) {
    const { purpose = 'general', index = 0 } = options;
    const number = PURPOSES.indexOf(purpose);
    if (number < 0) {
      throw new ArgumentError(`generator: unknown purpose '${purpose}'; there are ${PURPOSES.join(', ')}`);
    }
    if (!isInteger(index, TWO_32)) {
      throw new ArgumentError(`generator: index ${index} is not an integer of 0 .. 2^32 - 1`);
    }
    this.#seed = seedWords(seed);
    this.#stream = [index, number];
  }

  /** A generator that continues from a saved state. Throws ArgumentError for anything but a state. */
  static fromState(state: GeneratorState): Generator {
    const generator = new Generator(0);
    generator.setState(state);
    return generator;
  }

  /** Where the stream stands; a plain object that JSON can hold. */
  state(): GeneratorState {
    return { seed: this.#seed, stream: this.#stream, offset: this.#offset };
  }

  /** Continues from a state saved before, seed and stream included. Throws ArgumentError for anything but a state. */
  setState(state: GeneratorState): void {
    const seed = checkedU64('seed', state.seed);
    const stream = checkedU64('stream', state.stream);
    this.#offset = checkedU64('offset', state.offset);
    this.#seed = seed;
    this.#stream = stream;
  }

  /** Moves on by the blocks of `count` words, and returns where they start: for whoever makes the numbers elsewhere. */
  reserve(count: number): GeneratorState {
    checkCount('reserve', count);
    const start = this.state();
    for (const draws of watching) if (!draws.has(this)) draws.set(this, start);
    this.#offset = addU64(this.#offset, Math.ceil(count / WORDS_PER_BLOCK));
    return start;
  }

  /**
   * Moves on by 2^32 blocks, and returns where they start: for a matrix of numbers whose rows have numbers of their own, each
   * as many blocks as it needs, and of which only some rows are made.
   */
  reserveRows(): GeneratorState {
    const start = this.reserve(0);
    this.#offset = addU64(this.#offset, TWO_32);
    return start;
  }

  /** `n` uniform unsigned 32-bit integers. */
  words(n: number): Uint32Array<ArrayBuffer> {
    checkCount('words', n);
    return wordsAt(this.reserve(n), n);
  }

  /**
   * `n` uniform float32 numbers in [0, 1), multiples of 2^-24; with `bound`, in [-bound, bound], multiples of bound *
   * 2^-23.
   * @throws ArgumentError for a `bound` that is negative or not finite
   */
  uniform(n: number, bound?: number): Float32Array<ArrayBuffer> {
    checkCount('uniform', n);
    const { centre, scale } = uniformScale(bound);
    return mapWords(this.words(n), (word) => ((word >>> 8) - centre) * scale);
  }

  /**
   * `n` normal float32 numbers of mean 0 and standard deviation `std` (1 unless told); see `engine/normal.ts`.
   * @throws ArgumentError for a `std` that is negative or not finite
   */
  normal(n: number, std = 1): Float32Array<ArrayBuffer> {
    checkCount('normal', n);
    const scale = normalScale(std);
    return mapWords(this.words(n), (word) => normalFixed(word) * scale);
  }

  /** `n` integers of 0 .. bound - 1, each equally likely (by rejection), for an integer `bound` of 1 .. 2^32. */
  integers(n: number, bound: number): Uint32Array<ArrayBuffer> {
    checkCount('integers', n);
    if (!isInteger(bound - 1, TWO_32)) {
      throw new ArgumentError(`integers: bound ${bound} is not an integer of 1 .. 2^32`);
    }
    const draw = this.#drawer();
    return new Uint32Array(n).map(() => draw(bound));
  }

  /** The integers 0 .. n - 1 in random order, each order equally likely: the shuffle of Fisher and Yates. */
  permutation(n: number): Uint32Array<ArrayBuffer> {
    checkCount('permutation', n);
    const order = Uint32Array.from({ length: n }, (_, index) => index);
    const draw = this.#drawer();
    for (let last = n - 1; last > 0; last--) {
      const chosen = draw(last + 1);
      const moved = order[last] ?? 0;
      order[last] = order[chosen] ?? 0;
      order[chosen] = moved;
    }
    return order;
  }

  /** A source of unbiased integers below a bound, which takes blocks as it needs them. */
  #drawer(): (bound: number) => number {
    let block = new Uint32Array(0);
    let used = 0;
    const next = (): number => {
      if (used === block.length) {
        block = this.words(WORDS_PER_BLOCK);
        used = 0;
      }
      return block[used++] ?? 0;
    };
    return (bound) => {
      const limit = TWO_32 - (TWO_32 % bound);
      let word = next();
      while (word >= limit) word = next();
      return word % bound;
    };
  }
}

/** Generators drawn from since each open `watchDraws` began, with where they stood before. */
const watching = new Set<Map<Generator, GeneratorState>>();

/** Notes where each generator that is drawn from stood before, until the function that it returns is called, which tells. */
export function watchDraws(): () => ReadonlyMap<Generator, GeneratorState> {
  const draws = new Map<Generator, GeneratorState>();
  watching.add(draws);
  return () => {
    watching.delete(draws);
    return draws;
  };
}

/** Sets generators back to where they stood; the function that it returns puts them where they were. */
export function rewind(draws: ReadonlyMap<Generator, GeneratorState>): () => void {
  const now = [...draws.keys()].map((generator) => [generator, generator.state()] as const);
  for (const [generator, state] of draws) generator.setState(state);
  return () => {
    for (const [generator, state] of now) generator.setState(state);
  };
}

/**
 * How `uniform` turns the upper 24 bits w of a word into a number: (w - centre) * scale, one rounding at most, and none
 * where the bound is a power of two. Shared with the kernel's launch.
 */
export function uniformScale(bound: number | undefined): { centre: number; scale: number } {
  if (bound === undefined) return { centre: 0, scale: 2 ** -24 };
  if (!(bound >= 0 && bound < Infinity)) {
    throw new ArgumentError(`uniform: bound ${bound} is not a finite number from 0 up`);
  }
  return { centre: 2 ** 23, scale: Math.fround(bound) * 2 ** -23 };
}

/** The factor from the integers of `normalFixed` to normal numbers of standard deviation `std`. */
export function normalScale(std: number): number {
  if (!(std >= 0 && std < Infinity)) {
    throw new ArgumentError(`normal: standard deviation ${std} is not a finite number from 0 up`);
  }
  return Math.fround(std) * 2 ** -NORMAL_FRACTION_BITS;
}
