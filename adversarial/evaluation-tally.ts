import type { Dataset } from '../data/dataset.js';
import type { Attack } from './attacks/attack.js';
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
  /** The class given to each example of the dataset, in its order. */
  readonly predictions: Int32Array;
}

/** What was measured under one attack. */
export interface AttackResult extends VersionResult {
  readonly settings: Attack['settings'];
  readonly joint: JointDistribution;
}

/** One example with its images, each of the dataset's example shape, in [0, 1]. */
export interface EvaluationExample {
  /** Its number in the dataset. */
  readonly index: number;
  readonly label: number;
  readonly natural: { readonly image: Float32Array; readonly prediction: number };
  /** By the names of the attacks. */
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
  readonly natural: VersionResult;
  /** By the names of the attacks. */
  readonly attacks: Readonly<Record<string, AttackResult>>;
  /** Examples that are classified rightly without an attack and under every one of them. */
  readonly worstCase: Proportion;
  /** The first example of each class, then the second of each, as many as were asked for. */
  readonly examples: readonly EvaluationExample[];
  /** What is doubtful about the attacks' settings, in sentences. */
  readonly warnings: readonly string[];
  readonly seconds: number;
}

/** The numbers of one batch, as they come off the GPU. */
export interface BatchOutcome {
  readonly natural: { readonly logits: Float32Array; readonly images: Float32Array };
  readonly attacks: readonly {
    readonly logits: Float32Array;
    /** Joint distribution of the batch, `[C, C]`. */
    readonly joint: Float32Array;
    readonly images: Float32Array | undefined;
  }[];
}

/** Adds the batches of an evaluation up. */
export class EvaluationTally {
  readonly #dataset: Dataset;
  readonly #attacks: readonly (readonly [string, Attack])[];
  readonly #natural: Int32Array;
  readonly #adversarial: readonly Int32Array[];
  /** Sums over the examples, in float64. */
  readonly #joints: Float64Array[] = [];
  readonly #shown: ReadonlySet<number>;
  readonly #examples = new Map<number, EvaluationExample>();

  constructor(dataset: Dataset, attacks: Readonly<Record<string, Attack>>, examples: number) {
    this.#dataset = dataset;
    this.#attacks = Object.entries(attacks);
    this.#natural = new Int32Array(dataset.size);
    this.#adversarial = this.#attacks.map(() => new Int32Array(dataset.size));
    this.#shown = new Set(evenlyFromClasses(dataset, examples));
  }

  /** Whether some of these examples are among those returned with their images. */
  shows(indices: readonly number[]): boolean {
    return indices.some((index) => this.#shown.has(index));
  }

  /** Adds the examples of these numbers. */
  add(indices: readonly number[], outcome: BatchOutcome): void {
    this.#natural.set(argmaxRows(outcome.natural.logits, indices.length), indices[0] ?? 0);
    for (const [number, { logits, joint }] of outcome.attacks.entries()) {
      this.#adversarial[number]?.set(argmaxRows(logits, indices.length), indices[0] ?? 0);
      const sum = (this.#joints[number] ??= new Float64Array(joint.length));
      for (const [i, value] of joint.entries()) sum[i] = (sum[i] ?? 0) + value * indices.length;
    }
    for (const [row, index] of indices.entries()) {
      if (this.#shown.has(index)) this.#examples.set(index, this.#example(row, index, outcome));
    }
  }

  /** Everything measured. */
  result(seconds: number): Evaluation {
    const { name, size, classes, exampleShape, labels } = this.#dataset;
    const versions = [this.#natural, ...this.#adversarial];
    const robust = labels.filter((label, i) => versions.every((predictions) => predictions[i] === label));
    return {
      dataset: name,
      size,
      classes,
      exampleShape,
      natural: this.#version(this.#natural),
      attacks: Object.fromEntries(
        this.#attacks.map(([key, { settings }], number) => [
          key,
          { ...this.#version(this.#adversarial[number] ?? new Int32Array()), settings, joint: this.#joint(number) },
        ]),
      ),
      worstCase: wilson(robust.length, size),
      examples: [...this.#shown].flatMap((index) => this.#examples.get(index) ?? []),
      warnings: this.#attacks.flatMap(([key, { warnings }]) => warnings.map((warning) => `${key}: ${warning}`)),
      seconds,
    };
  }

  #version(predictions: Int32Array): VersionResult {
    const { labels, size } = this.#dataset;
    return { accuracy: wilson(labels.filter((label, i) => predictions[i] === label).length, size), predictions };
  }

  #joint(number: number): JointDistribution {
    const { size } = this.#dataset;
    const sums = this.#joints[number] ?? new Float64Array();
    const classes = Math.sqrt(sums.length);
    const total = sums.reduce((sum, value) => sum + value, 0);
    const rows = Array.from({ length: classes }, (_, a) =>
      Array.from(sums.subarray(a * classes, (a + 1) * classes), (value) => value / total),
    );
    const symmetric = rows.map((row, a) => row.map((value, b) => (value + (rows[b]?.[a] ?? 0)) / 2));
    return {
      distribution: rows,
      mutualInformation: mutualInformationOf(rows),
      symmetrizedMutualInformation: mutualInformationOf(symmetric),
      maximum: Math.log(Math.min(classes, size)),
    };
  }

  #example(row: number, index: number, { natural, attacks }: BatchOutcome): EvaluationExample {
    const { exampleSize, labels } = this.#dataset;
    const cut = (images: Float32Array | undefined): Float32Array =>
      (images ?? new Float32Array()).slice(row * exampleSize, (row + 1) * exampleSize);
    return {
      index,
      label: labels[index] ?? 0,
      natural: { image: cut(natural.images), prediction: this.#natural[index] ?? 0 },
      attacks: Object.fromEntries(
        this.#attacks.map(([key], number) => [
          key,
          { image: cut(attacks[number]?.images), prediction: this.#adversarial[number]?.[index] ?? 0 },
        ]),
      ),
    };
  }
}

/** The column of the largest value of each row, the first of equal ones. */
function argmaxRows(logits: Float32Array, rows: number): Int32Array {
  const classes = logits.length / rows;
  return Int32Array.from({ length: rows }, (_, row) => {
    const values = logits.subarray(row * classes, (row + 1) * classes);
    return values.indexOf(values.reduce((most, value) => Math.max(most, value), -Infinity));
  });
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
