import type { Dataset } from '../data/dataset.js';
import { ArgumentError } from '../engine/errors.js';
import type { Attack } from './attacks/attack.js';
import { evaluate, type EvaluateOptions } from './evaluation.js';
import type { Model } from './model.js';
import type { Proportion } from './statistics.js';

/** How the accuracy goes with one setting of an attack, such as eps, the steps or the restarts. */
export interface AccuracyCurve {
  /** The setting's name. */
  readonly setting: string;
  readonly points: readonly { readonly value: number; readonly accuracy: Proportion }[];
}

/** Options of {@link accuracyCurve}. */
export interface AccuracyCurveOptions extends Omit<EvaluateOptions, 'attacks' | 'attackOn' | 'examples' | 'worst'> {
  /** The setting's name. */
  readonly setting: string;
  /** Its values, each different. */
  readonly values: readonly number[];
  /** The attack at a value; not asked for an eps of 0, which leaves the natural images. */
  readonly attackAt: (value: number) => Attack;
}

/**
 * The accuracy of a classifier under one attack as a setting of it changes: with eps it has to fall to chance or below, with steps and
 * restarts it has to come to rest; Carlini et al., "On evaluating adversarial robustness", 2019. Every point uses the same random numbers.
 *
 * @throws as `evaluate` does; ArgumentError for no values or equal ones
 */
export async function accuracyCurve(
  model: Model,
  dataset: Dataset,
  { setting, values, attackAt, ...options }: AccuracyCurveOptions,
): Promise<AccuracyCurve> {
  if (values.length === 0 || new Set(values).size < values.length) {
    throw new ArgumentError(
      `accuracyCurve: ${setting} has values ${values.join(', ')}; expected one or more, all different`,
    );
  }
  const nameOf = (value: number): string => `${setting} ${value}`;
  // In a ball without extent there is nothing to look for, and a step that is a part of its radius is none.
  const attacked = values.filter((value) => setting !== 'eps' || value !== 0);
  const attacks = Object.fromEntries(attacked.map((value) => [nameOf(value), attackAt(value)]));
  const { natural, attacks: results } = await evaluate(model, dataset, { ...options, attacks, examples: 0, worst: 0 });
  return {
    setting,
    points: values.map((value) => ({ value, accuracy: (results[nameOf(value)] ?? natural).accuracy })),
  };
}
