import { COLUMN_TITLES } from './columns.js';
import type { Plan } from './plan.js';
import type { Cell } from './results.js';

/** What stands for a number that there is not. */
const NONE = '-';

/** What is being reproduced, in a line. */
export function titleOf({ table: { name, title } }: Plan): string {
  return `Table ${name.slice('table'.length)}: ${title}`;
}

/** What everybody who reads the numbers has to know first, in sentences; none of a table that is as the paper describes it. */
export function alertsOf({ differences, options: { scale } }: Plan): string[] {
  if (differences.length === 0) return [];
  const what = scale === 1 ? 'on other data' : `at scale ${scale}`;
  return [
    `NO REPRODUCTION: this was run ${what}; its numbers cannot be held against the paper's, which are printed for orientation only.`,
    ...differences.map((difference) => `changed: ${difference}`),
  ];
}

/** An accuracy with its interval or range, such as `54.1 % (53.1 to 55.1)`. */
function oursOf({ ours, low, high, runs }: Cell, seeds: number): string {
  if (ours === undefined || low === undefined || high === undefined) return NONE;
  const trained = runs.length === seeds ? '' : `${runs.length} of `;
  const range = seeds > 1 ? `, ${trained}${seeds} seeds` : '';
  return `${ours.toFixed(1)} % (${low.toFixed(1)} to ${high.toFixed(1)}${range})`;
}

/** Every accuracy beside the paper's, one to a line; the first row is the head. */
export function cellRows(plan: Plan, cells: readonly Cell[]): string[][] {
  return [
    [plan.table.rowHead, 'images', 'ours', 'paper', 'difference'],
    ...cells.map((cell, index) => [
      cells[index - 1]?.row === cell.row ? '' : cell.row,
      COLUMN_TITLES[cell.column],
      oursOf(cell, plan.options.seeds),
      cell.paper === undefined ? NONE : cell.paper.toFixed(2),
      cell.difference === undefined ? NONE : signed(cell.difference),
    ]),
  ];
}

/** The table as the paper prints it, each accuracy with the paper's in parentheses; the first row is the head. */
export function gridRows({ table, rows }: Plan, cells: readonly Cell[]): string[][] {
  return [
    [table.rowHead, ...table.columns.map((column) => COLUMN_TITLES[column])],
    ...rows.map(({ label }) => [
      label,
      ...table.columns.map((wanted) => {
        const { ours, paper } = cells.find(({ row, column }) => row === label && column === wanted) ?? {};
        return `${ours === undefined ? NONE : ours.toFixed(1)} (${paper === undefined ? NONE : paper.toFixed(2)})`;
      }),
    ]),
  ];
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
}

/** What the numbers beside ours mean, in a sentence. */
export function explanationOf({ options: { seeds }, samples }: Plan): string {
  const interval =
    seeds === 1
      ? 'in parentheses the 95 % interval (Wilson)'
      : `the mean of ${seeds} seeds, in parentheses the range over them, or of a single one the 95 % interval (Wilson)`;
  return `Accuracies in per cent on ${samples} test images; ours: ${interval}; the difference is ours minus the paper's.`;
}
