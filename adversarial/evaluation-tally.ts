import type { Dataset } from '../data/dataset.js';
import type { Attack } from './attacks/attack.js';
import { NATURAL, type EvaluatedBatch, type PerturbationSizes } from './evaluation-batch.js';
import { mutualInformationOf, wilson, type Proportion } from './statistics.js';

/** How the classes given to natural and to adversarial images go together, over a whole dataset. */
export interface JointDistribution {
  /** C rows of C: entry [a][b] is the mean of p_a(x) p_b(x'), natural classes along the rows. Sums to 1. */
  readonly distribution: readonly (readonly number[])[];
  /** Its mutual information, in nats. */
  readonly mutualInformation: number;
  /** That of (P + P^T) / 2, which is what training raises. */
  readonly symmetrizedMutualInformation: number;
  /** The most that either could be: ln min(C, n). */
  readonly maximum: number;
}

/** What was measured on one version of the images. */
export interface VersionResult {
  readonly accuracy: Proportion;
  /** The class given to each example of the dataset, in its order; -1 for those that an attack did not run on. */
  readonly predictions: Int32Array;
  /** Counts of the examples that were classified: true classes along the rows, given ones along the columns. */
  readonly confusion: readonly (readonly number[])[];
  /** The accuracy on the examples of each class; undefined for a class without one. */
  readonly classAccuracies: readonly (Proportion | undefined)[];
}

/** What was measured under one attack. */
export interface AttackResult extends VersionResult {
  readonly settings: Attack['settings'];
  /** On how many examples it ran. */
  readonly attacked: number;
  readonly joint: JointDistribution;
  /** How far each example was moved, in the dataset's order; 0 for those that it did not run on. */
  readonly perturbation: PerturbationSizes;
  /** Examples that are right without it and wrong under it, by the largest margins, as many as were asked for. */
  readonly worst: readonly WorstExample[];
}

/** An example that an attack fooled. */
export interface WorstExample {
  /** Its number in the dataset. */
  readonly index: number;
  readonly label: number;
  readonly prediction: number;
  /** By how much the logit of the class given is above the true one's. */
  readonly margin: number;
  /** Of the dataset's example shape, in [0, 1]. */
  readonly natural: Float32Array;
  readonly adversarial: Float32Array;
}

/** One example with its images, each of the dataset's example shape, in [0, 1]. */
export interface EvaluationExample {
  /** Its number in the dataset. */
  readonly index: number;
  readonly label: number;
  readonly natural: { readonly image: Float32Array; readonly prediction: number };
  /** By the names of the attacks that ran on it. */
  readonly attacks: Readonly<Record<string, { readonly image: Float32Array; readonly prediction: number }>>;
}

/** What `evaluate` gives. */
export interface Evaluation {
  readonly dataset: string;
  /** Number of examples. */
  readonly size: number;
  readonly classes: number;
  /** Shape of an example, such as [1, 28, 28]. */
  readonly exampleShape: readonly number[];
  /** Whether each attack ran on all examples, or on those that were right before it. */
  readonly attackOn: 'all' | 'robust';
  readonly natural: VersionResult;
  /** By the names of the attacks. */
  readonly attacks: Readonly<Record<string, AttackResult>>;
  /** Examples that are classified rightly without an attack and under every one of them. */
  readonly worstCase: Proportion;
  /** The first example of each class, then the second of each, as many as were asked for. */
  readonly examples: readonly EvaluationExample[];
  /** What is doubtful about the model or the attacks' settings, in sentences. */
  readonly warnings: readonly string[];
  readonly seconds: number;
}

/** What is known of one version of the images so far. */
interface Version {
  readonly name: string;
  readonly attack: Attack | undefined;
  readonly predictions: Int32Array;
  readonly margins: Float32Array;
  attacked: number;
  /** Sums over the examples, in float64. */
  joint: Float64Array;
  readonly perturbation: { readonly [K in keyof PerturbationSizes]: number[] };
  readonly images: Map<number, Float32Array>;
}

/** Adds the batches of an evaluation up. */
export class EvaluationTally {
  readonly #dataset: Dataset;
  readonly #natural: Version;
  readonly #attacks: readonly Version[];
  readonly #shown: ReadonlySet<number>;
  readonly #worst: number;
  #probabilities = true;

  constructor(
    dataset: Dataset,
    attacks: Readonly<Record<string, Attack>>,
    { examples, worst }: { readonly examples: number; readonly worst: number },
  ) {
    this.#dataset = dataset;
    this.#natural = newVersion(NATURAL, undefined, dataset.size);
    this.#attacks = Object.entries(attacks).map(([name, attack]) => newVersion(name, attack, dataset.size));
    this.#shown = new Set(evenlyFromClasses(dataset, examples));
    this.#worst = worst;
  }

  /** The examples of a batch whose images are wanted: those that are always shown, and the worst so far. */
  shows({ version, indices, predictions, margins }: EvaluatedBatch): number[] {
    const { labels } = this.#dataset;
    const known = this.#attacks.find(({ name }) => name === version);
    const fooled = indices
      .map((index, row) => ({ index, margin: margins[row] ?? 0, prediction: predictions[row] }))
      .filter(({ index, prediction }) => prediction !== labels[index] && this.#isRight(this.#natural, index))
      .map(({ index, margin }) => ({ index, margin }));
    const before = known ? this.#worstOf(known).map((index) => ({ index, margin: known.margins[index] ?? 0 })) : [];
    const worst = new Set(largestMargins([...before, ...fooled], this.#worst));
    return indices.filter((index) => this.#shown.has(index) || worst.has(index));
  }

  /** Adds a batch. */
  add({
    version: name,
    indices,
    predictions,
    margins,
    joint,
    perturbation,
    images,
    probabilities,
  }: EvaluatedBatch): void {
    const version = [this.#natural, ...this.#attacks].find((each) => each.name === name);
    if (!version) return;
    version.attacked += indices.length;
    for (const [row, index] of indices.entries()) {
      version.predictions[index] = predictions[row] ?? -1;
      version.margins[index] = margins[row] ?? 0;
      for (const norm of NORMS) version.perturbation[norm][index] = perturbation?.[norm][row] ?? 0;
    }
    if (joint && version.joint.length === 0) version.joint = new Float64Array(joint.length);
    for (const [i, value] of (joint ?? []).entries()) {
      version.joint[i] = (version.joint[i] ?? 0) + value * indices.length;
    }
    for (const [index, image] of Object.entries(images ?? {}))
      version.images.set(Number(index), Float32Array.from(image));
    this.#forget(version);
    if (name === NATURAL) this.#probabilities &&= probabilities ?? false;
  }

  /** The examples that are right in every version measured so far. */
  robust(): number[] {
    const versions = [this.#natural, ...this.#attacks];
    return Array.from(this.#dataset.labels.keys()).filter((index) =>
      versions.every(
        ({ predictions }) => predictions[index] === -1 || predictions[index] === this.#dataset.labels[index],
      ),
    );
  }

  /** Everything measured. */
  result({ attackOn, seconds }: Pick<Evaluation, 'attackOn' | 'seconds'>): Evaluation {
    const { name, size, classes, exampleShape } = this.#dataset;
    return {
      dataset: name,
      size,
      classes,
      exampleShape,
      attackOn,
      natural: this.#result(this.#natural),
      attacks: this.#attackResults(attackOn),
      worstCase: wilson(this.robust().length, size),
      examples: [...this.#shown].map((index) => this.#example(index)),
      warnings: this.#warnings(),
      seconds,
    };
  }

  #warnings(): string[] {
    const doubts = this.#attacks.flatMap(({ name, attack }) =>
      (attack?.warnings ?? []).map((warning) => `${name}: ${warning}`),
    );
    const softmax =
      'the model gives probabilities, which sum to 1, where logits are expected: take the softmax off its end, or gradients vanish ' +
      'and attacks look weaker than they are';
    return this.#probabilities && this.#dataset.classes > 1 ? [softmax, ...doubts] : doubts;
  }

  #attackResults(attackOn: Evaluation['attackOn']): Record<string, AttackResult> {
    const right = new Set(
      Array.from(this.#dataset.labels.keys()).filter((index) => this.#isRight(this.#natural, index)),
    );
    const results = this.#attacks.map((version) => {
      // Where it ran on the robust examples alone, the others are wrong already.
      for (const index of right) {
        if (version.predictions[index] !== -1 && !this.#isRight(version, index)) right.delete(index);
      }
      const result = this.#result(version);
      const accuracy = attackOn === 'robust' ? wilson(right.size, this.#dataset.size) : result.accuracy;
      const { perturbation, attacked } = version;
      const settings = version.attack?.settings ?? {};
      return [
        version.name,
        {
          ...result,
          accuracy,
          settings,
          attacked,
          perturbation,
          joint: this.#joint(version),
          worst: this.#worstExamples(version),
        },
      ] as const;
    });
    return Object.fromEntries(results);
  }

  #result({ predictions }: Version): VersionResult {
    const { labels, size, classes } = this.#dataset;
    const given = predictions.reduce((most, prediction) => Math.max(most, prediction + 1), classes);
    const confusion = Array.from({ length: classes }, () => new Array<number>(given).fill(0));
    for (const [index, prediction] of predictions.entries()) {
      const row = confusion[labels[index] ?? 0];
      if (row && prediction >= 0) row[prediction] = (row[prediction] ?? 0) + 1;
    }
    const counts = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
    return {
      accuracy: wilson(labels.filter((label, i) => predictions[i] === label).length, size),
      predictions,
      confusion,
      classAccuracies: confusion.map((row, k) => (counts[k] ? wilson(row[k] ?? 0, counts[k]) : undefined)),
    };
  }

  #joint({ joint, attacked }: Version): JointDistribution {
    const classes = Math.sqrt(joint.length);
    const total = Math.max(
      joint.reduce((sum, value) => sum + value, 0),
      Number.MIN_VALUE,
    );
    const rows = Array.from({ length: classes }, (_, a) =>
      Array.from(joint.subarray(a * classes, (a + 1) * classes), (value) => value / total),
    );
    const symmetric = rows.map((row, a) => row.map((value, b) => (value + (rows[b]?.[a] ?? 0)) / 2));
    return {
      distribution: rows,
      mutualInformation: attacked > 0 ? mutualInformationOf(rows) : 0,
      symmetrizedMutualInformation: attacked > 0 ? mutualInformationOf(symmetric) : 0,
      maximum: Math.log(Math.max(1, Math.min(classes, attacked))),
    };
  }

  #example(index: number): EvaluationExample {
    const version = ({ predictions, images }: Version) => ({
      image: images.get(index) ?? new Float32Array(),
      prediction: predictions[index] ?? -1,
    });
    return {
      index,
      label: this.#dataset.labels[index] ?? 0,
      natural: { ...version(this.#natural), image: this.#dataset.gather([index]).images },
      attacks: Object.fromEntries(
        this.#attacks.filter(({ predictions }) => predictions[index] !== -1).map((each) => [each.name, version(each)]),
      ),
    };
  }

  #worstExamples(version: Version): WorstExample[] {
    return this.#worstOf(version).map((index) => ({
      index,
      label: this.#dataset.labels[index] ?? 0,
      prediction: version.predictions[index] ?? -1,
      margin: version.margins[index] ?? 0,
      natural: this.#dataset.gather([index]).images,
      adversarial: version.images.get(index) ?? new Float32Array(),
    }));
  }

  /** The examples that a version fooled by the largest margins. */
  #worstOf(version: Version): number[] {
    const fooled = Array.from(version.predictions.keys()).filter(
      (index) =>
        version.predictions[index] !== -1 && !this.#isRight(version, index) && this.#isRight(this.#natural, index),
    );
    return largestMargins(
      fooled.map((index) => ({ index, margin: version.margins[index] ?? 0 })),
      this.#worst,
    );
  }

  /** Drops images that are no longer among the worst. */
  #forget(version: Version): void {
    const worst = new Set(this.#worstOf(version));
    for (const index of version.images.keys()) {
      if (!worst.has(index) && !this.#shown.has(index)) version.images.delete(index);
    }
  }

  #isRight({ predictions }: Version, index: number): boolean {
    return predictions[index] === this.#dataset.labels[index];
  }
}

const NORMS = ['linf', 'l2', 'l1', 'l0'] as const;

function newVersion(name: string, attack: Attack | undefined, size: number): Version {
  const zeros = (): number[] => new Array<number>(size).fill(0);
  return {
    name,
    attack,
    predictions: new Int32Array(size).fill(-1),
    margins: new Float32Array(size),
    attacked: 0,
    joint: new Float64Array(),
    perturbation: { linf: zeros(), l2: zeros(), l1: zeros(), l0: zeros() },
    images: new Map(),
  };
}

/** The numbers of the examples with the largest margins; of equal ones the first. */
function largestMargins(
  examples: readonly { readonly index: number; readonly margin: number }[],
  count: number,
): number[] {
  return [...examples]
    .sort((a, b) => b.margin - a.margin || a.index - b.index)
    .slice(0, count)
    .map(({ index }) => index);
}

/** The numbers of `count` examples: the first of each class, then the second of each, and so on. */
function evenlyFromClasses({ labels, size }: Dataset, count: number): number[] {
  const seen = new Map<number, number>();
  const ranked = Array.from(labels, (label, index) => {
    const rank = seen.get(label) ?? 0;
    seen.set(label, rank + 1);
    return { index, label, rank };
  });
  return ranked
    .sort((a, b) => a.rank - b.rank || a.label - b.label)
    .slice(0, Math.min(count, size))
    .map(({ index }) => index);
}
