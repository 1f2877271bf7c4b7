import type { Proportion } from '../../adversarial/statistics.js';
import type { Dataset } from '../../data/dataset.js';
import type { Plan, PlannedRun } from './plan.js';
import type { Accuracies } from './run-evaluation.js';
import type { ColumnName } from './tables.js';

/** An accuracy of ours beside the paper's; all in per cent. */
export interface Cell {
  readonly row: string;
  readonly column: ColumnName;
  /** The mean over the seeds; undefined where no run of the row was trained to the end. */
  readonly ours: number | undefined;
  /** Of one seed the 95 % interval (Wilson); of several the range of their accuracies. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly paper: number | undefined;
  /** Ours minus the paper's. */
  readonly difference: number | undefined;
  /** By seed. */
  readonly runs: readonly { readonly seed: number; readonly run: string; readonly accuracy: Proportion }[];
}

/** What a run came to: its accuracies, or why there are none. */
export type Outcome = Accuracies | { readonly failure: string };

/** The cells of a table, row by row. `outcomes` are by the runs' numbers. */
export function cellsOf({ table, rows, columns }: Plan, outcomes: ReadonlyMap<string, Outcome>): Cell[] {
  return rows.flatMap(({ label, runs }) =>
    columns.map(({ column }) =>
      cellOf({ row: label, column, paper: table.value(label, column), measured: measuredOf(runs, column, outcomes) }),
    ),
  );
}

type Measured = Cell['runs'];

function measuredOf(runs: readonly PlannedRun[], column: ColumnName, outcomes: ReadonlyMap<string, Outcome>): Measured {
  return runs.flatMap(({ id, name, config: { seed } }) => {
    const outcome = outcomes.get(id);
    const accuracy = outcome && !('failure' in outcome) ? outcome.get(column) : undefined;
    return accuracy ? [{ seed, run: name, accuracy }] : [];
  });
}

function cellOf({
  row,
  column,
  paper,
  measured,
}: Pick<Cell, 'row' | 'column' | 'paper'> & { measured: Measured }): Cell {
  const values = measured.map(({ accuracy }) => 100 * accuracy.value);
  const [first] = measured;
  const ours = first && values.reduce((sum, value) => sum + value, 0) / values.length;
  const single = measured.length === 1 ? first?.accuracy : undefined;
  return {
    row,
    column,
    ours,
    low: single ? 100 * single.low : first && Math.min(...values),
    high: single ? 100 * single.high : first && Math.max(...values),
    paper,
    difference: ours === undefined || paper === undefined ? undefined : ours - paper,
    runs: measured,
  };
}

/** The part of the images that are of the most frequent class: what a network that always gives that one is right on. */
export function largestShare({ labels, size }: Pick<Dataset, 'labels' | 'size'>): number {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Math.max(...counts.values()) / size;
}

/**
 * What is to be said of the runs, in sentences: those that failed, and those that may have learned nothing.
 *
 * @param share of the test images that are of the most frequent class, as {@link largestShare} gives it
 */
export function findingsOf({ rows }: Plan, outcomes: ReadonlyMap<string, Outcome>, share: number): string[] {
  return rows.flatMap(({ label, runs }) =>
    runs.flatMap((run) => {
      const outcome = outcomes.get(run.id);
      const finding = outcome && findingOf(run, outcome, share);
      return finding === undefined ? [] : [`${label}, seed ${run.config.seed}: ${finding}`];
    }),
  );
}

function findingOf(run: PlannedRun, outcome: Outcome, share: number): string | undefined {
  if ('failure' in outcome) return outcome.failure;
  const natural = outcome.get('natural');
  if (!natural || natural.low > share) return undefined;
  return (
    `of ${natural.total} natural images not clearly more are recognised than by always giving the most frequent class ` +
    `(${(100 * share).toFixed(1)} %)${hint(run)}`
  );
}

/** What can be behind it, and what then helps. */
function hint({ config }: PlannedRun): string {
  const { name, options } = config.objective;
  return name === 'mimae-at' && options['beta'] !== 0 && options['pairReduction'] === 'sum'
    ? '; training may have stayed at uniform predictions, at which the summed MAE can keep it: --pair-reduction mean leaves them sooner'
    : '';
}
