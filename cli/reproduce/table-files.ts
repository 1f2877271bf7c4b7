import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../../node/files.js';
import { htmlPage } from '../../report/frame.js';
import { html } from '../../report/html.js';
import { RUN_FILES } from '../folders.js';
import { markdownTable } from '../markdown.js';
import { htmlTable } from '../report/html-table.js';
import { footnotesOf } from './footnotes.js';
import { tableFolder, type Plan } from './plan.js';
import type { Cell } from './results.js';
import { alertsOf, cellRows, explanationOf, gridRows, titleOf } from './table-text.js';
import { SOURCE } from './tables.js';

/** A table as far as it is known. */
export interface TableResults {
  readonly plan: Plan;
  readonly cells: readonly Cell[];
  /** What is to be said of the runs. */
  readonly findings: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Writes `table.md`, `table.html` and `results.json` into the table's folder, whose path it gives. */
export async function writeTable(folder: string, results: TableResults): Promise<string> {
  const path = join(folder, tableFolder(results.plan));
  await makeFolder(path);
  await writeFileAtomic(join(path, 'table.md'), markdownOf(results));
  await writeFileAtomic(join(path, 'table.html'), pageOf(results));
  await writeFileAtomic(join(path, RUN_FILES.results), `${JSON.stringify(jsonOf(results), null, 1)}\n`);
  return path;
}

function markdownOf({ plan, cells, findings, environment }: TableResults): string {
  return `${[
    `# ${titleOf(plan)}`,
    ...alertsOf(plan).map((alert) => `**${alert}**`),
    ...findings.map((finding) => `**Look**: ${finding}.`),
    explanationOf(plan),
    "## Ours (the paper's)",
    markdownTable(gridRows(plan, cells)),
    '## Each number',
    markdownTable(cellRows(plan, cells)),
    '## Notes',
    footnotesOf(plan)
      .map((note) => `- ${note}`)
      .join('\n'),
    '## Runs',
    markdownTable(runRows(plan)),
    '## What it ran on',
    markdownTable([['', ''], ...Object.entries(environment)]),
    `The paper: ${SOURCE}.`,
  ].join('\n\n')}\n`;
}

function pageOf({ plan, cells, findings, environment }: TableResults): string {
  return htmlPage(
    titleOf(plan),
    html`${alertsOf(plan).map((alert) => html`<p class="warning"><strong>${alert}</strong></p>`)}
      ${findings.map((finding) => html`<p class="warning">${finding}</p>`)}
      <p>${explanationOf(plan)}</p>
      ${htmlTable("Ours, and the paper's in parentheses.", gridRows(plan, cells))}
      <h2>Each number</h2>
      ${htmlTable("Every accuracy beside the paper's.", cellRows(plan, cells))}
      <h2>Notes</h2>
      <ul>
        ${footnotesOf(plan).map((note) => html`<li>${note}</li>`)}
      </ul>
      <h2>Runs</h2>
      ${htmlTable('The runs, and where each is.', runRows(plan))}
      ${htmlTable('What it ran on.', [['', ''], ...Object.entries(environment)])}
      <p class="faint">The paper: ${SOURCE}.</p>`,
  );
}

function runRows({ table, rows, substitute }: Plan): string[][] {
  return [
    [table.rowHead, 'seed', 'folder'],
    ...rows.flatMap(({ label, runs }) => runs.map(({ name, config }) => [label, String(config.seed), `runs/${name}`])),
    ...(substitute ? [['substitute', String(substitute.config.seed), `runs/${substitute.name}`]] : []),
  ];
}

function jsonOf({ plan, cells, findings, environment }: TableResults): object {
  const { table, options, samples, differences, substitute, rows } = plan;
  return {
    table: table.name,
    title: table.title,
    source: SOURCE,
    reproduction: differences.length === 0,
    differences,
    options,
    samples,
    cells,
    findings,
    notes: footnotesOf(plan),
    runs: rows.map(({ label, runs }) => ({ row: label, runs })),
    substitute: substitute ?? null,
    environment,
  };
}
