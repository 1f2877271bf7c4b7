import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import type { Seed } from '../engine/random.js';
import type { AccuracyCurve } from './accuracy-curve.js';
import type { EvaluationProgress } from './evaluation.js';
import type { Evaluation, WorstExample } from './evaluation-tally.js';
import type { Model } from './model.js';
import type { SanityCheck, Verdict } from './sanity-checks.js';

/** What {@link sanity} gives. */
export interface SanityReport {
  /** The worst of the verdicts. */
  readonly verdict: Verdict;
  readonly checks: readonly SanityCheck[];
  /** The accuracies behind them, example by example. */
  readonly evaluation: Evaluation;
  /** The accuracy under PGD-20 against eps. */
  readonly curve: AccuracyCurve;
  /** The accuracy under PGD at eps against its steps. */
  readonly stepsCurve: AccuracyCurve;
  /** By the names of the attacks without gradients, the first examples that they fool and no attack with gradients does. */
  readonly overlooked: Readonly<Record<string, readonly WorstExample[]>>;
}

/** Options of {@link sanity}. */
export interface SanityOptions {
  /** Radius of the Linf ball that the model is claimed to be robust in, in units of the data. */
  readonly eps: number;
  /** Another model of the same images and classes: attacks made on it must not do better than those on the model. */
  readonly substitute?: Model | undefined;
  /** Queries of the Square attack; 500 unless told. */
  readonly queries?: number;
  /** 100 unless told. Gradients are looked at on the first batch. */
  readonly batchSize?: number;
  /** Fixes the attacks' random numbers; 0 unless told. */
  readonly seed?: Seed;
  /** Where the model lives; needed where it is a function. */
  readonly device?: Device | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((progress: EvaluationProgress) => void | Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Whether the robustness of a classifier is what its accuracies say: the checks of Carlini et al., "On evaluating adversarial robustness",
 * 2019, that a program can make, on every example of the dataset (200 say something). Gradients that vanish, that are not those of the
 * function or that are drawn anew, and outputs that are no logits, make attacks fail and models look robust that are not.
 *
 * @throws ArgumentError for an eps or a count outside its domain, fewer than two classes or an empty dataset; as `evaluate` does; and the
 * signal's reason
 */
export async function sanity(model: Model, dataset: Dataset, options: SanityOptions): Promise<SanityReport> {
  const { sanityReport } = await import('./sanity-report.js');
  return sanityReport(model, dataset, options);
}
