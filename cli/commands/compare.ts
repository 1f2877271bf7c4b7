import { join } from 'node:path';
import type { Command } from 'commander';
import { makeFolder, writeFileAtomic } from '../../node/files.js';
import { accuracyRows, differingSettings, doubtsOf, readRuns } from '../compare/comparison.js';
import { comparisonMarkdown } from '../compare/markdown.js';
import type { Context, RunCommand } from '../context.js';
import { EXIT } from '../errors.js';
import { formatTable } from '../table.js';

const EXAMPLES = `
Examples:
  bulwark compare runs/standard-at runs/trades runs/mimae-at
  bulwark compare runs/mimae-at runs/evaluation --out comparison

Runs are folders that bulwark train, evaluate or demo made, finished or not. compare.html has the curves of every metric, a colour to
each run; compare.md the tables. Files of those names that are there already are replaced.`;

interface Options {
  readonly out: string;
}

/** Adds `bulwark compare`. */
export function addCompareCommand(program: Command, run: RunCommand): void {
  program
    .command('compare')
    .description('Lay runs side by side: settings that differ, accuracies with 95 % intervals, curves.')
    .argument('<run...>', "runs' folders, two or more")
    .option('--out <folder>', 'where compare.html and compare.md go', join('runs', 'compare'))
    .option('--debug', 'on an error, show its stack and its causes')
    .addHelpText('after', EXAMPLES)
    .action((folders: string[], options: Options) => run((context) => compare(folders, options, context)));
}

/** `bulwark compare`; returns the exit code. */
export async function compare(folders: readonly string[], { out }: Options, context: Context): Promise<number> {
  const runs = await readRuns(folders);
  // Loaded when it is needed, as the report is: what draws the charts takes long to load.
  const { comparisonPage } = await import('../compare/page.js');
  await makeFolder(out);
  const page = join(out, 'compare.html');
  await writeFileAtomic(page, comparisonPage(runs));
  await writeFileAtomic(join(out, 'compare.md'), comparisonMarkdown(runs));
  for (const doubt of doubtsOf(runs)) context.err(`warning: ${doubt}`);
  const differing = differingSettings(runs);
  if (differing.length > 1) context.out(`${formatTable(differing)}\n`);
  context.out(formatTable(accuracyRows(runs)));
  context.out(`report: ${page}`);
  return EXIT.success;
}
