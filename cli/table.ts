import type { Proportion } from '../adversarial/statistics.js';

/** A longer rule would wrap on a terminal of usual width. */
const LONGEST_RULE = 40;

/** Rows of cells as lines of aligned columns, two spaces apart; the first row is the head. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = rows.map((row) =>
    widths
      .map((width, column) => (row[column] ?? '').padEnd(width))
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '-'.repeat(Math.min(width, LONGEST_RULE))).join('  ');
  return [...lines.slice(0, 1), rule, ...lines.slice(1)].join('\n');
}

/** A fraction of one in per cent with one decimal, such as 96.5. */
export function percent(value: number): string {
  return (100 * value).toFixed(1);
}

/** A proportion with its 95 % interval, such as `96.5 % (95.2 to 97.5)`. */
export function formatProportion({ value, low, high }: Proportion): string {
  return `${percent(value)} % (${percent(low)} to ${percent(high)})`;
}

/** Seconds as minutes and seconds, such as 1:05, or with hours. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const clock = `${hours > 0 ? String(minutes).padStart(2, '0') : minutes}:${String(whole % 60).padStart(2, '0')}`;
  return hours > 0 ? `${hours}:${clock}` : clock;
}
