import type { Case, ContenderName } from './case.js';
import { distance, type Census, type Contender } from './contender.js';

/** A round repeats short work until this many milliseconds of it are queued, and at most so often. */
const ROUND_TIME = 20;
const MOST_REPETITIONS = 200;

/** Short cases take more rounds than asked for, up to so many in so many milliseconds: a median of many is steadier. */
const MOST_ROUNDS = 25;
const ROUNDS_TIME = 5000;

/** Middle value and spread of some numbers. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What was measured of one contender. */
export interface Timing {
  readonly contender: ContenderName;
  /** Milliseconds of one repetition, a median for each... */
  readonly ms: Spread;
  /** The first call, with whatever it compiles, in milliseconds. */
  readonly first: number;
  /** How far its first results are from bulwark's: L2, relative. 0 for bulwark itself. */
  readonly distance: number;
  /** Its time over bulwark's in the same round; 1 for bulwark itself. */
  readonly ratio: Spread;
  readonly census?: Census;
}

/** What was measured of a case. */
export interface Measurement {
  readonly name: string;
  readonly group: Case['group'];
  readonly rounds: number;
  readonly flops?: number;
  readonly bytes?: number;
  readonly timings: readonly Timing[];
}

/** Median, least and most of numbers. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1] ?? NaN, least: sorted[0] ?? NaN, most: sorted.at(-1) ?? NaN };
}

/**
 * Times the contenders in turn, `least` times and more where that is quickly done: what disturbs the machine for a while disturbs all of them, and each ratio is of
 * neighbours. The first is what the others are compared with, in time and in results.
 *
 * @throws Error where results are further apart than the case allows
 */
export async function measure(of: Case, contenders: readonly Contender[], least: number): Promise<Measurement> {
  const warm: { contender: Contender; first: number; distance: number; repetitions: number; times: number[] }[] = [];
  let reference: Float32Array[] | undefined;
  for (const contender of contenders) {
    const first = await time(contender, 1);
    const values = await contender.values();
    const apart = reference ? distance(values, reference) : 0;
    reference ??= values;
    if (!(apart <= of.tolerance)) {
      throw new Error(
        `${of.name}: ${contender.name} is ${apart.toExponential(1)} from bulwark; at most ${of.tolerance}`,
      );
    }
    const again = await time(contender, 1);
    const repetitions = Math.min(MOST_REPETITIONS, Math.max(1, Math.ceil(ROUND_TIME / again)));
    if (repetitions > 1) await time(contender, repetitions);
    warm.push({ contender, first, distance: apart, repetitions, times: [] });
  }
  const started = performance.now();
  const quick = (): boolean => performance.now() - started < ROUNDS_TIME;
  let rounds = 0;
  for (; rounds < least || (least > 1 && rounds < MOST_ROUNDS && quick()); rounds++) {
    for (const { contender, repetitions, times } of warm) times.push(await time(contender, repetitions));
  }
  const censuses = new Map<Contender, Census>();
  for (const contender of contenders) {
    const census = await contender.census?.();
    if (census) censuses.set(contender, census);
  }
  const own = warm[0]?.times ?? [];
  const { name, group, flops, bytes } = of;
  return {
    ...{ name, group, rounds },
    ...(flops !== undefined && { flops }),
    ...(bytes !== undefined && { bytes }),
    timings: warm.map(({ contender, first, distance: apart, times }) => {
      const census = censuses.get(contender);
      return {
        contender: contender.name,
        ms: spreadOf(times),
        first,
        distance: apart,
        ratio: spreadOf(times.map((value, round) => value / (own[round] ?? NaN))),
        ...(census && { census }),
      };
    }),
  };
}

/** Milliseconds of one repetition of several. */
async function time(contender: Contender, repetitions: number): Promise<number> {
  const start = performance.now();
  for (let repetition = 0; repetition < repetitions; repetition++) contender.run();
  await contender.finish();
  return (performance.now() - start) / repetitions;
}
