import type { Command } from 'commander';
import type { AdapterOptions } from '../../node/adapter.js';
import { DATASETS, type DatasetName } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { COUNT, addCommonOptions, dataOption, nameOption, named, numeric, seedOption } from '../options.js';
import { SUBSTITUTE_OBJECTIVES, planTable, type SubstituteObjective } from '../reproduce/plan.js';
import { reproduceTable } from '../reproduce/reproduce.js';
import { TABLE_NAMES, paperTable, type TableName } from '../reproduce/tables.js';

interface Options {
  readonly scale: number;
  readonly seeds: number;
  readonly seed: number;
  readonly only?: readonly string[];
  readonly dryRun?: boolean;
  readonly estimate: boolean;
  readonly dataset?: DatasetName;
  readonly data?: string;
  readonly pairReduction: 'sum' | 'mean';
  readonly substitute: SubstituteObjective;
  readonly out: string;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark reproduce table8 --scale 0.02        minutes on two cores: is everything in place?
  bulwark reproduce table5 --dry-run           the runs, and how long they would take here
  bulwark reproduce table5 --only mimae-at --seeds 3
  bulwark reproduce table2 --dataset shapes32 --scale 0.02

Trains each row with the paper's settings, attacks it with the paper's attacks, and prints ours beside the paper's numbers. What is done
is kept in the folder and never done again: the same command goes on after Ctrl-C, and tables share rows (table 2 at lambda 0.4, table 4
at beta 1.0 and table 5's mimae-at are one run). Less than scale 1 trains smaller networks on fewer images for fewer epochs, which is
said above the table, and is no reproduction.`;

/** Adds `bulwark reproduce`. */
export function addReproduceCommand(program: Command, run: RunCommand): void {
  const only = (text: string, before: readonly string[] = []): string[] => [
    ...before,
    ...text.split(',').map((row) => row.trim()),
  ];
  const command = program
    .command('reproduce')
    .description("Reproduce a table of the MIMAE-AT paper, and print ours beside the paper's numbers.")
    .argument('<table>', `which: ${TABLE_NAMES.join(', ')}`, nameOption('table', TABLE_NAMES))
    .addOption(
      numeric('--scale <part>', "how much of the paper's size, above 0, to 1", { least: 0, above: true, most: 1 }, 1),
    )
    .addOption(
      numeric('--seeds <count>', 'seeds of each row, from --seed on: mean and range instead of an interval', COUNT, 1),
    )
    .option('--only <row>', 'this row only, or several with commas (default: all)', only)
    .option('--dry-run', 'print the runs and how long they would take, and stop')
    .option('--no-estimate', 'begin at once, without measuring how long it will take')
    .addOption(named('--dataset <name>', 'dataset', "other images of the same shape (default: the paper's)", DATASETS))
    .addOption(dataOption())
    .addOption(
      named(
        '--pair-reduction <sum|mean>',
        'reduction',
        "of MIMAE-AT's pairing over the classes",
        ['sum', 'mean'],
        'sum',
      ),
    )
    .addOption(
      named(
        '--substitute <objective>',
        'objective',
        'table 9: what trains the ResNet-50',
        SUBSTITUTE_OBJECTIVES,
        'plain',
      ),
    )
    .addOption(seedOption())
    .option('--out <folder>', 'where runs and tables are kept', 'reproduce')
    .addHelpText('after', EXAMPLES);
  addCommonOptions(command).action((table: TableName, options: Options) =>
    run((context) => reproduce(table, options, context)),
  );
}

/** `bulwark reproduce`; returns the exit code. */
export async function reproduce(table: TableName, options: Options, context: Context): Promise<number> {
  const { out: folder, adapter, dryRun = false, estimate: estimated, ...choices } = options;
  const plan = planTable(paperTable(table), choices);
  return reproduceTable(plan, { context, folder, adapter }, { dryRun, estimated });
}
