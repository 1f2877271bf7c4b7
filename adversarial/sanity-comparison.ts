import type { Dataset } from '../data/dataset.js';
import type { Evaluation } from './evaluation-tally.js';
import { wilson, type Proportion } from './statistics.js';

/**
 * Attacks compared example by example: which of them fool an example that others leave says far more than the difference of their
 * accuracies, whose intervals overlap on a few hundred examples.
 */
export class Comparison {
  readonly size: number;
  /** The share of the largest class: no answer that does not look at the image is right more often. */
  readonly constantAnswer: number;
  /** The natural accuracy. */
  readonly natural: Proportion;
  readonly #labels: Int32Array;
  readonly #evaluation: Pick<Evaluation, 'natural' | 'attacks'>;

  constructor({ labels, size, classes }: Dataset, evaluation: Pick<Evaluation, 'natural' | 'attacks'>) {
    const counts = new Array<number>(classes).fill(0);
    for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
    this.size = size;
    this.constantAnswer = Math.max(...counts) / size;
    this.natural = evaluation.natural.accuracy;
    this.#labels = labels;
    this.#evaluation = evaluation;
  }

  has(attack: string): boolean {
    return attack in this.#evaluation.attacks;
  }

  /** Whether an example is right without an attack. */
  isRight(index: number): boolean {
    return this.#evaluation.natural.predictions[index] === this.#labels[index];
  }

  /** The examples that are right under all of some attacks. */
  accuracy(...attacks: readonly string[]): Proportion {
    const right = this.#indices((index) => attacks.every((attack) => this.#withstands(attack, index)));
    return wilson(right.length, this.size);
  }

  /** The examples, right without an attack, that one of `some` fools, and none of `others`. */
  only(some: readonly string[], others: readonly string[]): number[] {
    return this.#indices(
      (index) =>
        this.isRight(index) &&
        some.some((attack) => !this.#withstands(attack, index)) &&
        others.every((other) => this.#withstands(other, index)),
    );
  }

  #indices(holds: (index: number) => boolean): number[] {
    return Array.from(this.#labels.keys()).filter(holds);
  }

  #withstands(attack: string, index: number): boolean {
    return this.#evaluation.attacks[attack]?.predictions[index] === this.#labels[index];
  }
}
