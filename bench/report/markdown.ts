import type { ContenderName } from '../case.js';
import { goalOf, missesOf } from '../goals.js';
import type { Measurement, Timing } from '../measure.js';
import { formatBytes, formatMs, formatRatio, rateOf, type Results } from '../results.js';

/** The results as a page of Markdown tables, one for each group. */
export function markdownOf(results: Results): string {
  const { adapter, driver, date, versions, measurements, failures } = results;
  const groups = [...new Set(measurements.map(({ group }) => group))];
  const misses = missesOf(adapter, measurements);
  return [
    `## ${adapter}: ${driver}`,
    '',
    `${date}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
    ...groups.flatMap((group) => tableOf(results, group)),
    ...(failures.length > 0 ? ['Failed:', '', ...failures.map(({ name, reason }) => `- ${name}: ${reason}`), ''] : []),
    misses.length > 0 ? 'Below their bars:' : 'Every ratio is at its bar or above.',
    '',
    ...misses.map(({ name, contender, ratio, bar }) => `- ${name}: ${ratio.toFixed(2)} times ${contender}, bar ${bar}`),
    '',
  ].join('\n');
}

function tableOf({ adapter, measurements, peakGflops }: Results, group: Measurement['group']): string[] {
  const rows = measurements.filter((measurement) => measurement.group === group);
  const others = [...new Set(rows.flatMap(({ timings }) => timings.slice(1).map(({ contender }) => contender)))];
  const head = [
    ...['case', 'ms (least to most)', 'rate', 'dispatches, submits', 'buffers, groups made', 'peak'],
    ...others.map((name) => `over ${name}`),
  ];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `### ${group}`,
    '',
    line(head),
    line(head.map(() => '---')),
    ...rows.map((measurement) => line(cellsOf(adapter, measurement, others, peakGflops))),
    '',
  ];
}

function cellsOf(
  adapter: string,
  measurement: Measurement,
  others: readonly ContenderName[],
  peakGflops: number | undefined,
): string[] {
  const [own] = measurement.timings;
  if (!own) return [measurement.name];
  const { ms, census } = own;
  const { flops } = measurement;
  const share = peakGflops !== undefined && flops !== undefined ? flops / ms.median / 1e6 / peakGflops : undefined;
  return [
    measurement.name,
    `${formatMs(ms.median)} (${formatMs(ms.least)} to ${formatMs(ms.most)})`,
    `${rateOf(measurement, ms.median) ?? ''}${share === undefined ? '' : `, ${(100 * share).toFixed(0)} % of peak`}`,
    census ? `${census.dispatches}, ${census.submits}` : '',
    census ? `${census.buffers}, ${census.bindGroups}` : '',
    census ? formatBytes(census.peakBytes) : '',
    ...others.map((name) => {
      const timing = measurement.timings.find(({ contender }) => contender === name);
      return timing ? ratioCell(adapter, measurement, timing) : '';
    }),
  ];
}

function ratioCell(adapter: string, measurement: Measurement, timing: Timing): string {
  const goal = goalOf(adapter, measurement, timing);
  const missed = goal && timing.ratio.median < goal.bar ? ` **below ${goal.bar}**` : '';
  return `${formatRatio(timing.ratio)}${missed}`;
}
