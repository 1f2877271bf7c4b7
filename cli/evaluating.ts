import type { Attack } from '../adversarial/attacks/attack.js';
import { evaluate, type EvaluateOptions } from '../adversarial/evaluation.js';
import type { Evaluation } from '../adversarial/evaluation-tally.js';
import type { Dataset } from '../data/dataset.js';
import type { Module } from '../nn/module.js';
import { readable } from './readable.js';
import type { Context } from './context.js';
import { accuraciesOf } from './history.js';
import type { Journal } from './journal.js';
import { startProgress } from './progress.js';
import { formatProportion, formatTable } from './table.js';

/** What an evaluation needs. */
export interface EvaluationCall {
  readonly context: Context;
  readonly model: Module;
  readonly dataset: Dataset;
  readonly attacks: Readonly<Record<string, Attack>>;
  readonly batchSize?: number | undefined;
  readonly seed: number;
  readonly attackOn?: EvaluateOptions['attackOn'];
  /** Where what is measured is kept, and what of it there is. */
  readonly journal?: Journal | undefined;
  /** What the progress display calls it. */
  readonly label: string;
}

/** Evaluates with a progress display. When the user stops it, it gives undefined. */
export async function runEvaluation(call: EvaluationCall): Promise<Evaluation | undefined> {
  const { context, model, dataset, attacks, batchSize = 100, seed, attackOn = 'all', journal, label } = call;
  const progress = startProgress(context, label, 'images');
  try {
    const evaluation = await evaluate(model, dataset, {
      attacks,
      batchSize,
      seed,
      attackOn,
      done: journal?.done ?? [],
      onBatch: journal?.write,
      signal: context.signal,
      onProgress: ({ version, done, total, examplesPerSecond: rate, secondsLeft }) => {
        progress.show({ done, total, rate, secondsLeft, note: version });
      },
    });
    for (const warning of evaluation.warnings) progress.log(`warning: ${readable(warning)}`);
    return evaluation;
  } catch (error) {
    if (error !== context.signal.reason) throw error;
    return undefined;
  } finally {
    progress.stop();
  }
}

/** The accuracies of one or several models as a table, one column to each model. */
export function accuracyTable(evaluations: Readonly<Record<string, Evaluation>>): string {
  const columns = Object.entries(evaluations).map(([name, evaluation]) => ({ name, all: accuraciesOf(evaluation) }));
  const versions = [...new Set(columns.flatMap(({ all }) => Object.keys(all)))];
  return formatTable([
    ['accuracy', ...columns.map(({ name }) => readable(name))],
    ...versions.map((version) => [
      version,
      ...columns.map(({ all }) => (all[version] ? formatProportion(all[version]) : '-')),
    ]),
  ]);
}
