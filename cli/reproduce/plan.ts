import type { Attack } from '../../adversarial/attacks/attack.js';
import type { Dataset } from '../../data/dataset.js';
import { unknownName } from '../../engine/named-options.js';
import { UsageError } from '../errors.js';
import { columnAttack } from './columns.js';
import { hashOf } from './hash.js';
import { DATASET_SIZES, paperConfig, type RunChoices } from './paper-config.js';
import type { TrainConfig } from '../config.js';
import { scaleNotes, scaledConfig, scaledCount, sharedNotes } from './scale.js';
import type { ColumnName, PaperTable } from './tables.js';

/** What a reproduction is asked to be. */
export interface PlanOptions extends Omit<RunChoices, 'seed'> {
  /** 1 for the paper's size, less for less. */
  readonly scale: number;
  /** How many seeds, from `seed` on. */
  readonly seeds: number;
  readonly seed: number;
  /** Rows to reproduce; all unless told. */
  readonly only?: readonly string[] | undefined;
  /** What the network that black-box attacks are made on is trained by. */
  readonly substitute: SubstituteObjective;
}

/** How the network of black-box attacks can be trained: on natural images, or adversarially. */
export const SUBSTITUTE_OBJECTIVES = ['plain', 'standard-at'] as const;
/** One of {@link SUBSTITUTE_OBJECTIVES}. */
export type SubstituteObjective = (typeof SUBSTITUTE_OBJECTIVES)[number];

/** A network that is to be trained. Rows, and tables, with the same settings share it. */
export interface PlannedRun {
  /** A hash of the configuration, and of the images where they are known. */
  readonly id: string;
  /** Of its folder. */
  readonly name: string;
  readonly config: TrainConfig;
}

/** A column's measurement: where its numbers are kept, and what makes them. */
export interface PlannedColumn {
  readonly column: ColumnName;
  /** Undefined for the natural images. */
  readonly attack: Attack | undefined;
}

/** A row with one run for each seed. */
export interface PlannedRow {
  readonly label: string;
  readonly runs: readonly PlannedRun[];
}

/** Everything that a table takes. */
export interface Plan {
  readonly table: PaperTable;
  readonly options: PlanOptions;
  readonly rows: readonly PlannedRow[];
  /** Those of the table, and CW-inf with 20 steps beside the paper's, which does not say how many it takes. */
  readonly columns: readonly PlannedColumn[];
  /** Of black-box attacks; trained once, by the first seed. */
  readonly substitute: PlannedRun | undefined;
  /** Every run once, in the order in which they are trained. */
  readonly runs: readonly PlannedRun[];
  /** Test images. */
  readonly samples: number;
  /** What keeps the numbers from being a reproduction, in sentences; none at scale 1 with the paper's dataset. */
  readonly differences: readonly string[];
}

/**
 * What a table takes: a run for each row and seed, with what the paper sets and the row changes.
 *
 * @throws UsageError for a row that the table does not have, or a dataset that cannot stand for the paper's
 */
export function planTable(table: PaperTable, options: PlanOptions): Plan {
  const { scale, seeds, seed, only = table.rows, substitute: objective } = options;
  const unknown = only.find((row) => !table.rows.includes(row));
  if (unknown !== undefined)
    throw new UsageError(`--only: ${unknownName(`row of ${table.name}`, unknown, table.rows)}`);
  const [images, tests] = DATASET_SIZES[table.dataset];
  const full = (row: string, of: number): TrainConfig =>
    paperConfig(table, table.model, table.setting(row), { ...options, seed: of });
  const rows = table.rows
    .filter((row) => only.includes(row))
    .map((label) => ({
      label,
      runs: Array.from({ length: seeds }, (_, index) =>
        plannedRun(scaledConfig(full(label, seed + index), scale, images)),
      ),
    }));
  const substitute = table.substitute
    ? plannedRun(scaledConfig(paperConfig(table, table.substitute, { objective, options: {} }, options), scale, images))
    : undefined;
  const all = [...(substitute ? [substitute] : []), ...rows.flatMap(({ runs }) => runs)];
  const samples = scaledCount(tests, scale);
  const notes = rows.flatMap(({ label, runs: [first] }) =>
    first
      ? [{ label, notes: scaleNotes(full(label, seed), first.config, { full: tests, scaled: samples, images }) }]
      : [],
  );
  return {
    table,
    options,
    rows,
    columns: table.columns
      .flatMap((column) => (column === 'cw' ? ([column, 'cw20'] as const) : [column]))
      .map((column) => ({ column, attack: column === 'natural' ? undefined : columnAttack(column, table.dataset) })),
    substitute,
    runs: [...new Map(all.map((run) => [run.id, run])).values()],
    samples,
    differences: [...otherDataset(table, options), ...sharedNotes(notes)],
  };
}

/** A plan for the images that were found: what is kept of runs on others is not taken for theirs. */
export function planFor(plan: Plan, ...halves: readonly Dataset[]): Plan {
  const images = halves.map(({ fingerprint }) => fingerprint).join();
  const made = ({ config }: PlannedRun): PlannedRun => plannedRun(config, images);
  return {
    ...plan,
    rows: plan.rows.map(({ label, runs }) => ({ label, runs: runs.map(made) })),
    runs: plan.runs.map(made),
    substitute: plan.substitute && made(plan.substitute),
  };
}

/** A run's name depends on what its images are, not on where, and on nothing else that does not change the network. */
function plannedRun(config: TrainConfig, images: string | null = null): PlannedRun {
  const id = hashOf({ ...config, dataset: { ...config.dataset, folder: images }, checkpointEvery: undefined });
  return { id, name: `${config.objective.name}-${config.model.name}-${config.dataset.name}-${id}`, config };
}

function otherDataset({ dataset: own }: PaperTable, { dataset = own }: PlanOptions): string[] {
  return dataset === own ? [] : [`dataset: ${dataset} instead of ${own}`];
}

/** What the folder of a table is called: of one that is no reproduction, also by what was changed. */
export function tableFolder({ table, options }: Plan): string {
  const { scale, seeds, seed, dataset = table.dataset, pairReduction = 'sum', substitute, only } = options;
  return [
    table.name,
    ...(scale === 1 ? [] : [`scale-${scale}`]),
    ...(dataset === table.dataset ? [] : [dataset]),
    ...(pairReduction === 'sum' ? [] : [`pair-${pairReduction}`]),
    ...(table.substitute && substitute !== 'plain' ? [`substitute-${substitute}`] : []),
    ...(seeds === 1 ? [] : [`${seeds}-seeds`]),
    ...(seed === 0 ? [] : [`seed-${seed}`]),
    ...(only ? [`only-${only.join('-')}`] : []),
  ].join('-');
}
