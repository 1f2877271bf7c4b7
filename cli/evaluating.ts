import type { Attack } from '../adversarial/attacks/attack.js';
import { partOf } from '../adversarial/attacks/ball.js';
import { bimAttack } from '../adversarial/attacks/bim.js';
import { cwLinfAttack } from '../adversarial/attacks/cw-linf.js';
import { ffgsmAttack } from '../adversarial/attacks/ffgsm.js';
import { fgsmAttack } from '../adversarial/attacks/fgsm.js';
import { pgdAttack } from '../adversarial/attacks/pgd.js';
import { rfgsmAttack } from '../adversarial/attacks/rfgsm.js';
import { evaluate } from '../adversarial/evaluation.js';
import type { Evaluation } from '../adversarial/evaluation-tally.js';
import type { Dataset } from '../data/dataset.js';
import type { Module } from '../nn/module.js';
import type { Context } from './context.js';
import { UsageError, asUsage } from './errors.js';
import { accuraciesOf } from './history.js';
import { unknownName } from './options.js';
import { startProgress } from './progress.js';
import { formatProportion, formatTable } from './table.js';

/** What `--attacks` takes, for its help and its errors. */
export const ATTACK_NAMES = ['natural', 'fgsm', 'ffgsm', 'rfgsm', 'bim', 'cw', 'pgd-20', 'pgd-<steps>'] as const;

/** Attacks that are known by their names alone. */
const BY_NAME: Readonly<Record<string, (eps: number) => Attack>> = {
  fgsm: (eps) => fgsmAttack({ eps }),
  ffgsm: (eps) => ffgsmAttack({ eps }),
  rfgsm: (eps) => rfgsmAttack({ eps }),
  bim: (eps) => bimAttack({ eps }),
  cw: (eps) => cwLinfAttack({ eps }),
};

/** The attacks of a list such as `natural,fgsm,pgd-20`, by name; the natural images are evaluated in any case. */
export function attacksNamed(list: string, eps: number): Record<string, Attack> {
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return Object.fromEntries(
    names.filter((name) => name !== 'natural').map((name) => [name, asUsage(() => attackNamed(name, eps))]),
  );
}

function attackNamed(name: string, eps: number): Attack {
  const known = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (known) return known(eps);
  const steps = Number(/^pgd-(\d{1,5})$/.exec(name)?.[1] ?? 0);
  if (steps < 1) throw new UsageError(unknownName('attack', name, ATTACK_NAMES));
  // Far enough to cross the ball from side to side.
  const stepSize = partOf(eps, Math.min(1, 2 / steps));
  return pgdAttack({ eps, steps, stepSize, start: 'uniform' });
}

/** What an evaluation needs. */
export interface EvaluationCall {
  readonly context: Context;
  readonly model: Module;
  readonly dataset: Dataset;
  readonly attacks: Readonly<Record<string, Attack>>;
  readonly batchSize?: number | undefined;
  readonly seed: number;
  /** What the progress display calls it. */
  readonly label: string;
}

/** Evaluates with a progress display. When the user stops it, it gives undefined. */
export async function runEvaluation(call: EvaluationCall): Promise<Evaluation | undefined> {
  const { context, model, dataset, attacks, batchSize = 100, seed, label } = call;
  const progress = startProgress(context, label, 'images');
  try {
    const evaluation = await evaluate(model, dataset, {
      attacks,
      batchSize,
      seed,
      signal: context.signal,
      onProgress: ({ done, total, examplesPerSecond: rate, secondsLeft }) => {
        progress.show({ done, total, rate, secondsLeft });
      },
    });
    for (const warning of evaluation.warnings) progress.log(`warning: ${warning}`);
    return evaluation;
  } catch (error) {
    if (!context.signal.aborted) throw error;
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
    ['accuracy', ...columns.map(({ name }) => name)],
    ...versions.map((version) => [
      version,
      ...columns.map(({ all }) => (all[version] ? formatProportion(all[version]) : '-')),
    ]),
  ]);
}
