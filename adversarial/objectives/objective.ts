import { ArgumentError, ShapeError } from '../../engine/errors.js';
import type { OptionValues } from '../../engine/named-options.js';
import { formatShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Module } from '../../nn/module.js';
import type { AttackRandom } from '../attacks/attack.js';
import type { ClipOptions } from '../attacks/ball.js';
import type { AttackLoss } from '../attacks/input-gradient.js';
import type { PgdStart } from '../attacks/pgd.js';

export type { OptionValue, OptionValues } from '../../engine/named-options.js';

/** The logits `[m, C]` of one training step, those that the objective asked for. */
export interface Logits {
  /** Of the natural images. */
  readonly natural?: Tensor | undefined;
  /** Of their adversarial versions. */
  readonly adversarial?: Tensor | undefined;
  /** Of the natural images in one more pass. */
  readonly naturalAgain?: Tensor | undefined;
}

/** What an objective gives: the scalar to minimise, and the scalars it is made of, unweighted, for the log. */
export interface ObjectiveValue {
  readonly total: Tensor;
  readonly terms: Readonly<Record<string, Tensor>>;
}

/** What an objective says of its training attack, in place of the run's settings; eps and its ramp stay the run's. */
export interface AttackPlan {
  readonly start?: Exclude<PgdStart, Tensor>;
  /** Number of steps. */
  readonly steps?: number;
  /** Length of a step as a share of eps, and of what the ramp has made of it. */
  readonly stepSize?: number;
  /**
   * The mode of the model in the attack's passes: 'eval' unless told. In mode 'train' batch norm goes by the batch, and running
   * statistics move in each of these passes too.
   */
  readonly craftIn?: 'train' | 'eval';
}

/** What an objective that makes its own adversarial images gets. */
export interface CraftCall extends ClipOptions, Partial<AttackRandom> {
  /** In training mode. */
  readonly model: Module;
  /** Natural images `[m, ...]`. */
  readonly x: Tensor;
  /** Classes, i32 `[m]`. */
  readonly labels: Tensor;
  /** The natural logits of the pass in training mode, where the objective wants them; constants. */
  readonly logits: Logits;
  /** What the objective remembers of these samples, f32 `[m]`. */
  readonly remembered?: Tensor | undefined;
}

/** What an objective makes by itself of a batch. */
export interface Crafted {
  /** Adversarial images, or natural ones where it wants those, of the shape of the natural images. */
  readonly images: Tensor;
  /** What to remember of the samples, f32 `[m]`. */
  readonly remembered?: Tensor;
}

/**
 * What training minimises, as a function of logits. A new objective is an object with these members; {@link objectiveOf} makes one of a
 * mere function.
 */
export interface Objective {
  readonly name: string;
  /** The settings, defaults filled in: what a log or a report says of it. */
  readonly options: OptionValues;
  /** Which forward passes it wants: the natural one, then the adversarial one, then the natural one once more. */
  readonly needs: { readonly natural: boolean; readonly adversarial: boolean; readonly naturalAgain?: boolean };
  /**
   * Which of the terms says how well the labels are met, and its value where all classes are equally likely; without, nobody looks whether
   * training leaves uniform predictions.
   */
  readonly classification?: { readonly term: string; readonly atUniform: (classes: number) => number };
  /** The largest values that terms can have, by the number of classes and of samples in a batch: what a log sets beside them. */
  readonly maxima?: Readonly<Record<string, (classes: number, samples: number) => number>>;
  /**
   * What its own attack raises, by the logits of the natural images in evaluation mode, which are constants; without, whatever the attack
   * raises by itself.
   */
  readonly attackLoss?: (natural: Tensor) => AttackLoss;
  /** Its own attack settings, where it has some. */
  readonly attackPlan?: AttackPlan;
  /** A number of each example of the dataset that it keeps from epoch to epoch, and what it is at first. */
  readonly remembers?: { readonly initial: number };
  /** Makes the adversarial images itself, in place of the run's attack; without a graph, after the natural pass. */
  readonly craft?: (call: CraftCall) => Crafted;
  /** The loss of a batch with i32 labels `[m]`; `remembered` is what `craft` remembers of it. */
  readonly loss: (logits: Logits, labels: Tensor, remembered?: Tensor) => ObjectiveValue;
}

/**
 * An objective as a function of natural logits `[m, C]`, adversarial logits `[m, C]` and i32 labels `[m]`: the scalar to minimise, alone or
 * with terms.
 */
export type ObjectiveFunction = (natural: Tensor, adversarial: Tensor, labels: Tensor) => Tensor | ObjectiveValue;

/**
 * An objective of a function of logits: differentiable tensor operations that give a scalar, or `{ total, terms }` with scalars for the log.
 * The natural images pass in training mode first, then the adversarial ones, which the run's own attack makes.
 *
 * Throws from `loss` a `ShapeError` where the total is no scalar.
 */
export function objectiveOf(fn: ObjectiveFunction, name = 'custom'): Objective {
  return {
    name,
    options: {},
    needs: { natural: true, adversarial: true },
    loss: (logits, labels) => {
      const value = fn(needed(name, 'natural', logits), needed(name, 'adversarial', logits), labels);
      const { total, terms } = 'total' in value ? value : { total: value, terms: {} };
      if (total.size !== 1) {
        throw new ShapeError(
          `${name}: the loss has shape ${formatShape(total.shape)}; expected a scalar, such as its mean`,
        );
      }
      return { total, terms };
    },
  };
}

/** The logits that an objective asked for; throws an `ArgumentError` where it was called without them. */
export function needed(objective: string, which: keyof Logits, logits: Logits): Tensor {
  const tensor = logits[which];
  if (!tensor) throw new ArgumentError(`${objective}: needs the ${which} logits, which were not given`);
  return tensor;
}

/** Throws an `ArgumentError` unless the weight of a term is a finite number from 0 up. */
export function checkWeight(objective: string, name: string, weight: number): void {
  if (!(weight >= 0 && weight < Infinity)) {
    throw new ArgumentError(`${objective}: ${name} is ${weight}; expected a finite number from 0 up`);
  }
}

/** What objectives with a plain cross-entropy share. */
export interface LabelSmoothing {
  /** Weight of the uniform distribution in the cross-entropy's target, from 0 up, below 1; 0 unless told. */
  readonly labelSmoothing?: number;
}

/** Throws an `ArgumentError` unless the share of the uniform distribution is from 0 up, below 1. */
export function checkLabelSmoothing(objective: string, labelSmoothing: number): void {
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new ArgumentError(`${objective}: labelSmoothing is ${labelSmoothing}; expected a number from 0 up, below 1`);
  }
}

/** Throws an `ArgumentError` unless an option is a finite number above 0. */
export function checkPositive(objective: string, name: string, value: number): void {
  if (!(value > 0 && value < Infinity)) {
    throw new ArgumentError(`${objective}: ${name} is ${value}; expected a finite number above 0`);
  }
}

/** Throws an `ArgumentError` that names the choices unless `value` is one: callers without types can pass anything. */
export function checkChoice(objective: string, name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new ArgumentError(`${objective}: ${name} is '${value}'; expected ${choices.join(' or ')}`);
}

/** Cross-entropy of uniform predictions: ln C, with smoothed labels too. */
export function crossEntropyAtUniform(classes: number): number {
  return Math.log(classes);
}

/** Boosted cross-entropy of uniform predictions: ln C + ln(C / (C - 1)), which is 2.408 for 10 classes. */
export function boostedCrossEntropyAtUniform(classes: number): number {
  return Math.log(classes) + Math.log(classes / (classes - 1));
}

/** The largest mutual information of two class assignments over a batch: ln min(C, m) nats. */
export function maximumMutualInformation(classes: number, samples: number): number {
  return Math.log(Math.min(classes, samples));
}
