import { ArgumentError } from '../../engine/errors.js';

/** Throws an `ArgumentError` unless each of a schedule's values is a finite number from 0 up. */
export function checkFromZero(schedule: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    // What comes from a file can be anything.
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) {
      throw new ArgumentError(`${schedule}: ${name} is ${String(value)}; expected a finite number from 0 up`);
    }
  }
}

/** Throws an `ArgumentError` unless each of a schedule's values is a part of the run, 0 to 1. */
export function checkParts(schedule: string, values: Readonly<Record<string, number>>): void {
  checkFromZero(schedule, values);
  for (const [name, value] of Object.entries(values)) {
    if (value > 1) throw new ArgumentError(`${schedule}: ${name} is ${value}; expected a part of the run, 0 to 1`);
  }
}

/** Throws an `ArgumentError` unless `count` is an integer from 1 up. */
export function checkCount(schedule: string, what: string, count: number): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new ArgumentError(`${schedule}: ${what} ${count}; expected an integer from 1 up`);
  }
}

/** Throws an `ArgumentError` unless `step` is one of a run's, which count from 1. */
export function checkStep(schedule: string, step: number, steps: number): void {
  checkCount(schedule, 'at: step', step);
  if (!(step <= steps)) throw new ArgumentError(`${schedule}: at: step ${step} of ${steps}; the run is over`);
}

/** How far a step is up a slope over the first part of the run: from near 0 to 1, and 1 behind it or without a slope. */
export function riseAt(step: number, steps: number, warmup: number): number {
  return warmup > 0 ? Math.min(1, step / (warmup * steps)) : 1;
}
