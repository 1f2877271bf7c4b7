import { ArgumentError } from '../engine/errors.js';

/** Throws an `ArgumentError` that names the function and its option unless `value` is an integer from `least` up. */
export function checkCount(caller: string, name: string, value: number, least = 1): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new ArgumentError(`${caller}: ${name} is ${value}; expected an integer from ${least} up`);
}
