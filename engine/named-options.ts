import { ArgumentError } from './errors.js';
import { nearestName } from './nearest-name.js';

/** A value of an option that is asked for by name. */
export type OptionValue = number | string | boolean;

/** Options by name, as a command line or a configuration file has them. */
export type OptionValues = Readonly<Record<string, OptionValue>>;

/**
 * `options` on top of `defaults`, which say what there is and of which type; `owner` is named in errors.
 *
 * @throws ArgumentError for a name that no default has, or a value of another type
 */
export function withDefaults<O extends OptionValues>(owner: string, defaults: O, options: OptionValues): O {
  for (const [name, value] of Object.entries(options)) {
    const usual = defaults[name];
    if (usual === undefined) throw new ArgumentError(unknownName(`option of ${owner}`, name, Object.keys(defaults)));
    if (typeof value !== typeof usual) {
      throw new ArgumentError(`${owner}: ${name} is ${typeof value} ${String(value)}; expected a ${typeof usual}`);
    }
  }
  return { ...defaults, ...options };
}

/** The sentence about a name that nothing has, with the one that was most likely meant. */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  const guess = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
  return `unknown ${what} '${name}'${guess}; ${known.length > 0 ? `there are ${known.join(', ')}` : 'there are none'}`;
}
