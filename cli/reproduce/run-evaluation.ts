import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { transferAttack } from '../../adversarial/attacks/transfer.js';
import { NATURAL } from '../../adversarial/evaluation-batch.js';
import { wilson, type Proportion } from '../../adversarial/statistics.js';
import type { Dataset } from '../../data/dataset.js';
import type { Device } from '../../engine/device.js';
import { FormatError } from '../../engine/errors.js';
import type { Module } from '../../nn/module.js';
import { makeFolder, writeFileAtomic } from '../../node/files.js';
import { loadModel, readCheckpoint } from '../checkpoint.js';
import { InterruptedError } from '../errors.js';
import { runEvaluation } from '../evaluating.js';
import { openJournal, type Journal } from '../journal.js';
import { COLUMN_TITLES } from './columns.js';
import { hashOf } from './hash.js';
import type { Plan, PlannedColumn, PlannedRun } from './plan.js';
import { INTERRUPTED, evaluationFolder, runFolder, type Workplace } from './run-training.js';
import type { ColumnName } from './tables.js';

/** The accuracies of a network by column. */
export type Accuracies = ReadonlyMap<ColumnName, Proportion>;

const KEPT = z.object({ count: z.int(), total: z.int() });

/**
 * What an attack is called in the files of a run: by its settings, the substitute that it is made on and the seed, so that tables share what
 * was measured, and what was measured otherwise is measured anew.
 */
function versionOf({ column, attack }: PlannedColumn, substitute: PlannedRun | undefined, seed: number): string {
  if (!attack) return NATURAL;
  const { settings } = attack;
  return `${column}-${hashOf({ settings, substitute: substitute?.id ?? null, seed })}`;
}

/** The measurements of a run that were made before. Throws a `FormatError` for a file that is broken. */
export async function keptAccuracies(folder: string, run: PlannedRun, plan: Plan): Promise<Accuracies> {
  const kept = new Map<ColumnName, Proportion>();
  for (const column of plan.columns) {
    const name = `${versionOf(column, plan.substitute, run.config.seed)}.json`;
    const found = await readKept(join(evaluationFolder(folder, run, plan.samples), name));
    if (found) kept.set(column.column, found);
  }
  return kept;
}

async function readKept(path: string): Promise<Proportion | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { count, total } = KEPT.parse(JSON.parse(text));
    return wilson(count, total);
  } catch (cause) {
    throw new FormatError(`${path}: is no accuracy; remove it, and it is measured anew`, { cause });
  }
}

/** What an evaluation works with. */
export interface EvaluationPlace extends Workplace {
  readonly device: Device;
  readonly test: Dataset;
}

/**
 * Measures what is not yet measured of a trained network, and keeps each accuracy in a file; batches are kept in a journal, from which an
 * interrupted evaluation goes on.
 *
 * @throws InterruptedError where the user stops it
 */
export async function ensureEvaluated(place: EvaluationPlace, run: PlannedRun, plan: Plan): Promise<Accuracies> {
  const { context, folder, device, test } = place;
  const kept = await keptAccuracies(folder, run, plan);
  const missing = plan.columns.filter(({ column }) => !kept.has(column));
  if (missing.length === 0) return kept;
  const path = evaluationFolder(folder, run, plan.samples);
  await makeFolder(path);
  const { seed, objective } = run.config;
  const networks: Module[] = [];
  const load = async (of: PlannedRun): Promise<Module> => {
    const network = loadModel(await readCheckpoint(runFolder(folder, of)), of.config.model, device);
    networks.push(network);
    return network;
  };
  try {
    const model = await load(run);
    const { substitute } = plan;
    const source = substitute && { network: await load(substitute), name: substitute.name };
    const versions = missing.map((column) => {
      const { attack } = column;
      const made = attack && source ? transferAttack(source.network, attack, source.name) : attack;
      const title = COLUMN_TITLES[column.column];
      return { column: column.column, version: versionOf(column, substitute, seed), title, attack: made };
    });
    using journal = await openJournal(path, true);
    const attacks = Object.fromEntries(versions.flatMap(({ title, attack }) => (attack ? [[title, attack]] : [])));
    const evaluation = await runEvaluation({
      context,
      model,
      dataset: test,
      attacks,
      seed,
      journal: titled(journal, versions),
      label: objective.name,
    });
    if (!evaluation) throw new InterruptedError(INTERRUPTED);
    const results = new Map(kept);
    for (const { column, version, title, attack } of versions) {
      const result = attack ? evaluation.attacks[title] : evaluation.natural;
      if (!result) continue;
      const { count, total } = result.accuracy;
      const file = {
        column,
        ...(attack && { settings: attack.settings }),
        dataset: evaluation.dataset,
        seed,
        count,
        total,
      };
      await writeFileAtomic(join(path, `${version}.json`), `${JSON.stringify(file, null, 1)}\n`);
      results.set(column, result.accuracy);
    }
    await journal.finish();
    return results;
  } finally {
    for (const network of networks) network.dispose();
  }
}

/** A journal whose file has the versions, of an evaluation that shows people their titles. */
function titled(journal: Journal, versions: readonly { readonly version: string; readonly title: string }[]): Journal {
  const titles = new Map(versions.map(({ version, title }) => [version, title]));
  const names = new Map(versions.map(({ version, title }) => [title, version]));
  return {
    ...journal,
    done: journal.done.map((batch) => ({ ...batch, version: titles.get(batch.version) ?? batch.version })),
    write: (batch) => {
      journal.write({ ...batch, version: names.get(batch.version) ?? batch.version });
    },
  };
}
