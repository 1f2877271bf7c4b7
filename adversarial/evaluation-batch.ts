import { noGrad } from '../engine/autograd.js';
import { compile } from '../engine/compile.js';
import type { Device } from '../engine/device.js';
import { BulwarkError, ShapeError } from '../engine/errors.js';
import { abs, gt, sub, to } from '../engine/ops/elementwise.js';
import { concat, reshape } from '../engine/ops/movement.js';
import { mutualInformationParts } from '../engine/ops/mutual-information.js';
import { tensor } from '../engine/ops/create.js';
import { max, sum } from '../engine/ops/reduce.js';
import { norm } from '../engine/ops/statistics.js';
import { formatShape } from '../engine/shape.js';
import { tuneAtFirstUse } from '../engine/tune.js';
import type { Generator, GeneratorState } from '../engine/random.js';
import type { Tensor } from '../engine/tensor.js';
import type { Dataset } from '../data/dataset.js';
import type { Attack } from './attacks/attack.js';
import { rowsOf } from './attacks/rows.js';
import { inEvalMode, logitsOf, type Model } from './model.js';

/** The name of the images without an attack. */
export const NATURAL = 'natural';

/** How far each example was moved: by the largest difference, the Euclidean length, the sum, and the number of elements that differ. */
export interface PerturbationSizes {
  readonly linf: readonly number[];
  readonly l2: readonly number[];
  readonly l1: readonly number[];
  readonly l0: readonly number[];
}

/** What was measured on one batch: numbers that JSON can hold, so that an evaluation can be taken up again. */
export interface EvaluatedBatch {
  /** 'natural', or the name of an attack. */
  readonly version: string;
  /** The examples' numbers in the dataset. */
  readonly indices: readonly number[];
  /** The class given to each. */
  readonly predictions: readonly number[];
  /** By how much the largest logit of another class is above that of the true one: above 0 where it is misclassified. */
  readonly margins: readonly number[];
  /** Joint distribution of the classes given to natural and adversarial images, row by row; of attacks alone. */
  readonly joint?: readonly number[];
  readonly perturbation?: PerturbationSizes;
  /** Whether all rows of natural logits are probabilities: from 0 to 1, and 1 together. */
  readonly probabilities?: boolean;
  /** Adversarial images that are to be shown, by the examples' numbers. */
  readonly images?: Readonly<Record<string, readonly number[]>>;
}

/** Which images of a batch to read back, given what is known of it. */
export type Showing = (batch: Omit<EvaluatedBatch, 'images'>) => readonly number[];

/** What a batch is measured with. */
export interface MeasureOptions {
  readonly device: Device;
  readonly model: Model;
  readonly dataset: Dataset;
  /** The version's name, and its attack unless it is of natural images. */
  readonly version: string;
  readonly attack: Attack | undefined;
  readonly generator: Generator;
  readonly showing: Showing;
}

/** Measures one version of the images, batch by batch: captured at the first batch of each size. */
export class BatchMeasurement {
  readonly #options: MeasureOptions;
  /** Every batch starts here: random numbers go by the examples' own numbers. */
  readonly #start: GeneratorState;
  readonly #attack;
  readonly #measure;

  constructor(options: MeasureOptions) {
    this.#options = options;
    this.#start = options.generator.state();
    const { attack, model, generator } = options;
    const recorded = attack && !attack.hosted ? attack : undefined;
    this.#attack =
      recorded &&
      compile((x: Tensor, labels: Tensor, samples: Tensor) => recorded.run(model, x, labels, { generator, samples }));
    this.#measure = compile((x: Tensor, adversarial: Tensor) => this.#packed(x, adversarial));
  }

  /** @throws BulwarkError where logits are NaN or infinite, or where images leave their ball or their range */
  async run(indices: readonly number[], signal?: AbortSignal): Promise<EvaluatedBatch> {
    const { device, dataset } = this.#options;
    const { images, labels } = dataset.gather(indices);
    await tuneAtFirstUse(device);
    const x = tensor(images, { device, shape: [indices.length, ...dataset.exampleShape] });
    const classes = tensor(labels, { device });
    const samples = tensor(Int32Array.from(indices), { device });
    let adversarial: Tensor | undefined;
    let packed: Tensor | undefined;
    try {
      this.#options.generator.setState(this.#start);
      adversarial = await this.#attacked(x, classes, samples, signal);
      packed = this.#measure(x, adversarial);
      return this.#unpack(await packed.floats(), indices, labels);
    } finally {
      for (const each of [x, classes, samples, adversarial, packed]) each?.dispose();
    }
  }

  /** Frees what was captured. */
  dispose(): void {
    this.#attack?.dispose();
    this.#measure.dispose();
  }

  async #attacked(x: Tensor, labels: Tensor, samples: Tensor, signal?: AbortSignal): Promise<Tensor> {
    const { attack, model, generator } = this.#options;
    if (attack?.hosted) return attack.run(model, x, labels, { generator, samples, signal });
    return this.#attack?.(x, labels, samples) ?? x;
  }

  /** Logits, then for attacks the joint distribution, the sizes of the perturbations and the images, one after another. */
  #packed(x: Tensor, adversarial: Tensor): Tensor {
    const { device } = x;
    return noGrad(device, () => {
      const logits = this.#logits(adversarial);
      const parts = [logits];
      if (this.#options.attack) {
        parts.push(mutualInformationParts(this.#logits(x), logits, { symmetrize: false }).joint);
        const moved = rowsOf(sub(adversarial, x));
        const sizes = abs(moved);
        parts.push(max(sizes, [1]), norm(moved, { axes: [1] }), sum(sizes, [1]), sum(to(gt(sizes, 0), 'f32'), [1]));
        parts.push(adversarial);
      }
      return concat(parts.map((part) => reshape(part, [part.size])));
    });
  }

  #logits(x: Tensor): Tensor {
    const { model, dataset } = this.#options;
    const logits = inEvalMode(model, () => logitsOf(model, x));
    const [rows, classes = 0] = logits.shape;
    if (logits.rank !== 2 || rows !== x.shape[0] || classes < dataset.classes) {
      throw new ShapeError(
        `evaluate: the model gives ${formatShape(logits.shape)} for images ${formatShape(x.shape)}; ` +
          `${dataset.name} needs [${x.shape[0]}, ${dataset.classes}]`,
      );
    }
    return logits;
  }

  #unpack(values: Float32Array, indices: readonly number[], labels: Int32Array): EvaluatedBatch {
    const { version, attack, dataset, showing } = this.#options;
    const m = indices.length;
    const { exampleSize } = dataset;
    const classes = attack ? classesOf(values.length, m, exampleSize) : values.length / m;
    let at = 0;
    const next = (length: number): Float32Array => values.subarray(at, (at += length));
    const logits = next(m * classes);
    const broken = logits.find((value) => !Number.isFinite(value));
    if (broken !== undefined) {
      throw new BulwarkError(`evaluate: the model gives logits that are ${broken}; its weights are not usable`);
    }
    const rows = Array.from({ length: m }, (_, row) => logits.subarray(row * classes, (row + 1) * classes));
    const batch = {
      version,
      indices,
      predictions: rows.map(largestOf),
      margins: rows.map((row, i) => marginOf(row, labels[i] ?? 0)),
    };
    if (!attack) return { ...batch, probabilities: rows.every(areProbabilities) };
    const joint = Array.from(next(classes * classes));
    const [linf, l2, l1, l0] = [0, 1, 2, 3].map(() => Array.from(next(m))) as [number[], number[], number[], number[]];
    const images = next(m * exampleSize);
    const perturbation = { linf, l2, l1, l0 };
    checkBounds(version, attack, perturbation, images);
    const known = { ...batch, joint, perturbation };
    const shown = showing(known).map((index) => {
      const row = indices.indexOf(index);
      return [index, Array.from(images.subarray(row * exampleSize, (row + 1) * exampleSize))] as const;
    });
    return { ...known, images: Object.fromEntries(shown) };
  }
}

/** C, where m C + C^2 + 4 m + m d numbers were read. */
function classesOf(length: number, m: number, exampleSize: number): number {
  const rest = length - m * (4 + exampleSize);
  return Math.round((Math.sqrt(m * m + 4 * rest) - m) / 2);
}

/** Roundings of a ball's edge, relative to the range of the data. */
const SLACK = 1e-5;

/** An attack that leaves its ball or the range of the data proves nothing. */
function checkBounds(
  version: string,
  { settings }: Attack,
  perturbation: PerturbationSizes,
  images: Float32Array,
): void {
  const outside = images.find((value) => !(value >= -SLACK && value <= 1 + SLACK));
  if (outside !== undefined) {
    throw new BulwarkError(`evaluate: attack ${version} gives pixels of ${outside}; they have to stay within [0, 1]`);
  }
  const { norm: name, eps } = settings;
  if (typeof eps !== 'number' || (name !== 'linf' && name !== 'l2' && name !== 'l1')) return;
  const most = Math.max(...perturbation[name]);
  // Roundings of a sum add up.
  const slack = name === 'linf' ? SLACK : SLACK * Math.max(1, eps) * 10;
  if (most > eps + slack) {
    throw new BulwarkError(`evaluate: attack ${version} moves an image by ${most} (${name}), more than its eps ${eps}`);
  }
}

/** The place of the largest value, the first of equal ones. */
function largestOf(row: Float32Array): number {
  return row.indexOf(row.reduce((most, value) => Math.max(most, value), -Infinity));
}

function marginOf(row: Float32Array, label: number): number {
  const others = row.reduce((most, value, k) => (k === label ? most : Math.max(most, value)), -Infinity);
  return row.length > 1 ? others - (row[label] ?? 0) : 0;
}

function areProbabilities(row: Float32Array): boolean {
  return (
    row.every((value) => value >= 0 && value <= 1) &&
    Math.abs(row.reduce((total, value) => total + value, 0) - 1) < 1e-4
  );
}
