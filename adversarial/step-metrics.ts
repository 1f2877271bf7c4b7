import batchMetricsSource from '../shaders/batch_metrics.wgsl';
import { BulwarkError, ShapeError } from '../engine/errors.js';
import { defineKernel } from '../engine/kernel.js';
import { formatShape } from '../engine/shape.js';
import { keep, type Tensor } from '../engine/tensor.js';
import type { StepValues } from './step.js';

const batchMetricsKernel = defineKernel({
  name: 'batch_metrics',
  source: batchMetricsSource,
  bindings: ['read', 'read', 'write'],
});

/** Training left the numbers that float32 can hold. */
export class DivergenceError extends BulwarkError {
  /** The step, from 1. */
  readonly step: number;
  /** What is not finite: a term of the objective, 'total', or the logits. */
  readonly term: string;

  constructor(message: string, step: number, term: string) {
    super(message);
    this.step = step;
    this.term = term;
  }

  override get name(): string {
    return 'DivergenceError';
  }
}

/** What a step was like, by name: the objective's `total` and terms, and accuracies in [0, 1]. */
export type StepMetrics = Readonly<Record<string, number>>;

/** Names of the two accuracies: fractions of the step's own batch, as the model was before the update. */
export const NATURAL_ACCURACY = 'naturalAccuracy';
/** The same of the adversarial batch. */
export const ADVERSARIAL_ACCURACY = 'adversarialAccuracy';

/** A class of logits whose accuracy is measured, and the column it goes to; broken logits are counted in the column after. */
interface MeasuredLogits {
  readonly name: typeof NATURAL_ACCURACY | typeof ADVERSARIAL_ACCURACY;
  readonly of: (values: StepValues) => Tensor | undefined;
}

const MEASURED: readonly MeasuredLogits[] = [
  { name: NATURAL_ACCURACY, of: (values) => values.naturalLogits },
  { name: ADVERSARIAL_ACCURACY, of: (values) => values.adversarialLogits },
];

/** What a {@link MetricsRing} held. */
export interface StepsRead {
  readonly read: readonly { readonly step: number; readonly metrics: StepMetrics }[];
  /** What is wrong with the step after them, where a number of it is not finite. */
  readonly divergence?: DivergenceError;
}

/**
 * The numbers of the last steps, on the GPU: one row to a step, written in the step without waiting, and read all together
 * between steps.
 */
export class MetricsRing {
  readonly #rows: number;
  #ring: Tensor | undefined;
  #columns: readonly string[] = [];
  /** Numbers of the steps in the ring that were not read yet, from row 0 on. */
  #pending: number[] = [];

  /** @param rows the number of steps between two readings */
  constructor(rows: number) {
    this.#rows = rows;
  }

  /** Whether another step would overwrite one that was not read. */
  get full(): boolean {
    return this.#pending.length === this.#rows;
  }

  /** The numbers of a step, and other scalars, as one row, on the GPU. All steps have the same ones. */
  measure(values: StepValues, labels: Tensor, others: Readonly<Record<string, Tensor>> = {}): Tensor {
    const { device } = labels;
    const scalars = { total: values.total, ...values.terms, ...others };
    const logits = MEASURED.flatMap(({ name, of }) => {
      const tensor = of(values);
      return tensor ? [{ name, tensor }] : [];
    });
    this.#columns = [...Object.keys(scalars), ...logits.flatMap(({ name }) => [name, BROKEN + name])];
    const measured = device.empty([this.#columns.length]);
    for (const { name, tensor } of logits) {
      const [rows = 0, classes = 0] = tensor.shape;
      device.dispatch({
        kernel: batchMetricsKernel,
        buffers: [tensor.range, labels.range, measured.range],
        uniforms: [rows, classes, this.#columns.indexOf(name)],
        workgroups: [1],
      });
    }
    for (const [name, scalar] of Object.entries(scalars)) {
      if (scalar.size !== 1) {
        throw new ShapeError(`objective: term ${name} has shape ${formatShape(scalar.shape)}; expected a scalar`);
      }
      const { buffer, offset } = measured.range;
      device.copy(scalar.range, { buffer, offset: offset + 4 * this.#columns.indexOf(name), size: 4 }, 4);
    }
    return measured;
  }

  /** Puts a row that was measured in its place; steps count from 1. */
  push(step: number, measured: Tensor): void {
    const { device, size, bytes } = measured;
    const ring = (this.#ring ??= keep(device.empty([this.#rows, size])));
    const { buffer, offset } = ring.range;
    device.copy(measured.range, { buffer, offset: offset + this.#pending.length * bytes, size: bytes }, bytes);
    this.#pending.push(step);
  }

  /** Reads the steps since the last reading, oldest first, with their numbers: up to the first that is NaN or infinite. */
  async read(): Promise<StepsRead> {
    const steps = this.#pending;
    const read: { step: number; metrics: StepMetrics }[] = [];
    if (!this.#ring || steps.length === 0) return { read };
    const values = await this.#ring.floats();
    this.#pending = [];
    for (const [row, step] of steps.entries()) {
      const start = row * this.#columns.length;
      const entries = this.#columns.map((name, column) => [name, values[start + column] ?? NaN] as const);
      const divergence = notFinite(step, entries);
      if (divergence) return { read, divergence };
      read.push({ step, metrics: Object.fromEntries(entries.filter(([name]) => !name.startsWith(BROKEN))) });
    }
    return { read };
  }

  /** Frees the ring. */
  dispose(): void {
    this.#ring?.dispose();
  }
}

/** Prefix of the columns that count broken logits. */
const BROKEN = 'broken:';

function notFinite(step: number, entries: readonly (readonly [string, number])[]): DivergenceError | undefined {
  for (const [name, value] of entries) {
    const broken = name.startsWith(BROKEN);
    if (broken ? value === 0 : Number.isFinite(value)) continue;
    const term = broken ? 'logits' : name;
    const what = broken ? `${value} of the logits are NaN or infinite` : `${name} is ${value}`;
    return new DivergenceError(
      `training diverged: ${what} at step ${step}; lower the learning rate, or raise eps more slowly`,
      step,
      term,
    );
  }
  return undefined;
}
