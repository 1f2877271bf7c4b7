import { HEADLINE_CONV, STEP_FOR_GOALS } from './names.js';
import type { ContenderName } from './case.js';
import type { Measurement, Timing } from './measure.js';

/** A ratio that the suite must reach, and the one to reach for. */
export interface Goal {
  readonly bar: number;
  readonly aim: number;
}

/** How many times faster than `peer` bulwark has to be. */
interface NamedGoal {
  readonly test: (name: string) => boolean;
  readonly peer: ContenderName;
  readonly goals: Readonly<Partial<Record<string, Goal>>>;
}

const exactly = (wanted: string) => (name: string) => name === wanted;
const goal = (bar: number, aim: number): Goal => ({ bar, aim });

const NAMED: readonly NamedGoal[] = [
  {
    test: exactly(`${HEADLINE_CONV}, forward`),
    peer: 'jax-js',
    goals: { lavapipe: goal(8, 15), swiftshader: goal(7, 12) },
  },
  {
    test: exactly(`${HEADLINE_CONV}, forward`),
    peer: 'tfjs',
    goals: { lavapipe: goal(6, 12), swiftshader: goal(15, 30) },
  },
  {
    test: exactly(`${HEADLINE_CONV}, forward + both gradients`),
    peer: 'jax-js',
    goals: { lavapipe: goal(8, 15), swiftshader: goal(7, 14) },
  },
  {
    test: exactly(`${HEADLINE_CONV}, forward + both gradients`),
    peer: 'tfjs',
    goals: { lavapipe: goal(16, 30), swiftshader: goal(25, 50) },
  },
  { test: exactly('matmul 512'), peer: 'jax-js', goals: { lavapipe: goal(3, 6), swiftshader: goal(2, 4) } },
  { test: exactly('matmul 512'), peer: 'tfjs', goals: { lavapipe: goal(3, 6), swiftshader: goal(8, 13) } },
  {
    test: (name) => name.startsWith(STEP_FOR_GOALS),
    peer: 'jax-js',
    goals: { lavapipe: goal(5, 10), swiftshader: goal(5, 10) },
  },
  {
    test: (name) => name.startsWith(STEP_FOR_GOALS),
    peer: 'tfjs',
    goals: { lavapipe: goal(10, 25), swiftshader: goal(10, 25) },
  },
  {
    test: (name) => name.startsWith(STEP_FOR_GOALS),
    peer: 'bulwark, eager',
    goals: { lavapipe: goal(1.5, 2), swiftshader: goal(1.5, 2) },
  },
];

/** No slower than any peer; twice as fast is the aim. */
const EVERYWHERE = goal(1, 2);

/** The goal of one ratio on an adapter, undefined for bulwark itself and for its other ways where they have none. */
export function goalOf(adapter: string, { name }: Measurement, { contender }: Timing): Goal | undefined {
  if (contender === 'bulwark') return undefined;
  const named = NAMED.find(({ test, peer }) => peer === contender && test(name));
  const found = named?.goals[adapter];
  if (found) return found;
  return contender.startsWith('bulwark') ? undefined : EVERYWHERE;
}

/** A ratio that is below its bar. */
export interface Miss {
  readonly name: string;
  readonly contender: ContenderName;
  readonly ratio: number;
  readonly bar: number;
}

/** The ratios below their bars. */
export function missesOf(adapter: string, measurements: readonly Measurement[]): Miss[] {
  return measurements.flatMap((measurement) =>
    measurement.timings.flatMap((timing) => {
      const bar = goalOf(adapter, measurement, timing)?.bar;
      const ratio = timing.ratio.median;
      if (bar === undefined || ratio >= bar) return [];
      return [{ name: measurement.name, contender: timing.contender, ratio, bar }];
    }),
  );
}
