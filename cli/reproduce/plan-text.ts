import { formatDuration, formatTable } from '../table.js';
import type { Estimate, PendingWork } from './estimate.js';
import type { Plan } from './plan.js';

const HOURS = 3600;
const DAYS = 24 * HOURS;

/** A duration that may be weeks. */
export function formatLong(seconds: number): string {
  return seconds < 2 * DAYS ? formatDuration(seconds) : `${(seconds / DAYS).toFixed(1)} days`;
}

/** The runs of a plan, what is left to do of each, and how long it will take where that is known. */
export function runTable(plan: Plan, work: readonly PendingWork[], estimates: readonly Estimate[] | undefined): string {
  const head = ['run', 'for', 'to do', ...(estimates ? ['training', 'evaluation'] : [])];
  const rows = plan.runs.map((run, index) => {
    const todo = work.find(({ run: { id } }) => id === run.id);
    const time = estimates?.find(({ run: { id } }) => id === run.id);
    const times = time ? [formatLong(time.training), formatLong(time.evaluation)] : ['-', '-'];
    return [
      `${index + 1} ${run.name}`,
      purposeOf(plan, run.id),
      todo ? todoOf(todo, plan) : 'nothing',
      ...(estimates ? times : []),
    ];
  });
  return formatTable([head, ...rows]);
}

/** The time that everything together will take. */
export function totalOf(estimates: readonly Estimate[]): string {
  return formatLong(estimates.reduce((sum, { training, evaluation }) => sum + training + evaluation, 0));
}

function purposeOf({ rows, substitute, options: { seeds } }: Plan, id: string): string {
  const labels = rows.flatMap(({ label, runs }) =>
    runs.filter((run) => run.id === id).map(({ config }) => (seeds > 1 ? `${label}, seed ${config.seed}` : label)),
  );
  return [...labels, ...(substitute?.id === id ? ['substitute'] : [])].join('; ');
}

function todoOf({ steps, columns }: PendingWork, { columns: all }: Plan): string {
  const attacks = columns.length > 0 ? [`measure ${columns.length} of ${all.length} columns`] : [];
  return [...(steps === undefined ? [] : ['train']), ...attacks].join(', ');
}
