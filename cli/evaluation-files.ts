import { join } from 'node:path';
import type { AccuracyCurve } from '../adversarial/accuracy-curve.js';
import type { Evaluation } from '../adversarial/evaluation-tally.js';
import { writeFileAtomic } from '../node/files.js';
import { RUN_FILES } from './folders.js';
import { accuraciesOf } from './history.js';
import { formatProportion, percent } from './table.js';

/** An evaluation and what surrounds it, for files. */
export interface EvaluationResults {
  readonly title: string;
  /** The settings that it was started with. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly evaluation: Evaluation;
  readonly curves: readonly AccuracyCurve[];
}

/** Writes `results.json`, with every number there is but for the images, and `report.md`, with the tables. */
export async function writeResults(folder: string, results: EvaluationResults): Promise<void> {
  await writeFileAtomic(join(folder, RUN_FILES.results), `${JSON.stringify(resultsOf(results), null, 1)}\n`);
  await writeFileAtomic(join(folder, RUN_FILES.markdown), markdownOf(results));
}

function resultsOf({ title, config, environment, evaluation, curves }: EvaluationResults): object {
  const { natural, attacks, dataset, size, classes, exampleShape, attackOn, worstCase, warnings, seconds } = evaluation;
  return {
    title,
    config,
    environment,
    ...{ dataset, size, classes, exampleShape, attackOn, worstCase, warnings, seconds },
    natural: { ...natural, predictions: [...natural.predictions] },
    attacks: Object.fromEntries(
      Object.entries(attacks).map(([name, { predictions, worst, ...attack }]) => [
        name,
        {
          ...attack,
          predictions: [...predictions],
          worst: worst.map(({ index, label, prediction, margin }) => ({ index, label, prediction, margin })),
        },
      ]),
    ),
    curves,
  };
}

type Row = readonly (string | number)[];

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function markdownOf({ title, environment, evaluation, curves }: EvaluationResults): string {
  const { attacks, size, dataset, attackOn, warnings } = evaluation;
  const classes = Object.entries({ natural: evaluation.natural, ...attacks });
  const sections = [
    `# ${title}`,
    `${size} examples of ${dataset}; 95 % intervals (Wilson). ${
      attackOn === 'robust'
        ? 'Each attack ran on the examples that were right before it; its accuracy is what is left.'
        : 'Every attack ran on every example.'
    }`,
    ...warnings.map((warning) => `**Warning**: ${warning}`),
    table(
      ['images', 'accuracy', 'attacked', 'median Linf', 'median L2', 'median elements moved', 'settings'],
      Object.entries(accuraciesOf(evaluation)).map(([name, accuracy]) => {
        const attack = attacks[name];
        if (!attack) return [name, formatProportion(accuracy), '', '', '', '', ''];
        const { perturbation: sizes, predictions, attacked, settings } = attack;
        const of = (norm: 'linf' | 'l2' | 'l0'): string =>
          short(median(sizes[norm].filter((_, index) => predictions[index] !== -1)));
        const said = Object.entries(settings).map(
          ([key, value]) => `${key} ${typeof value === 'number' ? short(value) : value}`,
        );
        return [name, formatProportion(accuracy), attacked, of('linf'), of('l2'), of('l0'), said.join(', ')];
      }),
    ),
    '## Accuracy by class, %',
    table(
      ['class', ...classes.map(([name]) => name)],
      evaluation.natural.classAccuracies.map((_, k) => [
        k,
        ...classes.map(([, { classAccuracies }]) => {
          const accuracy = classAccuracies[k];
          return accuracy ? percent(accuracy.value) : '';
        }),
      ]),
    ),
    ...curves.flatMap(({ setting, points }) => [
      `## Accuracy against ${setting}`,
      table(
        [setting, 'accuracy'],
        points.map(({ value, accuracy }) => [short(value), formatProportion(accuracy)]),
      ),
    ]),
    '## What it ran on',
    table(['', ''], Object.entries(environment)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? 0 : ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}
