import { ArgumentError } from '../../engine/errors.js';
import { pairOf, type Pair } from '../../engine/ops/pair.js';

/** Throws an `ArgumentError` unless each of the named values is an integer of at least `least`. */
export function checkIntegers(layer: string, values: Readonly<Record<string, Pair>>, least = 1): void {
  for (const [name, value] of Object.entries(values)) {
    if (!pairOf(value).every((size) => Number.isInteger(size) && size >= least)) {
      throw new ArgumentError(`${layer}: ${name} is ${String(value)}; expected an integer from ${least} up`);
    }
  }
}
