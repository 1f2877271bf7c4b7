import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvaluatedBatch } from '../adversarial/evaluation-batch.js';
import { FormatError } from '../engine/errors.js';
import { exists } from '../node/files.js';
import { openMetrics, readMetrics } from '../node/metrics.js';
import { UsageError } from './errors.js';
import { RUN_FILES } from './folders.js';

/** What was measured so far, on disk: one line for each batch, so that an interrupted evaluation can be taken up again. */
export interface Journal extends Disposable {
  /** The batches of before. */
  readonly done: readonly EvaluatedBatch[];
  /** How many batches the file holds. */
  readonly batches: number;
  readonly write: (batch: EvaluatedBatch) => void;
  /** Removes the file: the evaluation is complete. */
  readonly finish: () => Promise<void>;
}

/**
 * Opens the journal of an evaluation in its folder.
 *
 * @throws FormatError where a line of an existing one is no batch
 */
export async function openJournal(folder: string, resume: boolean): Promise<Journal> {
  const path = join(folder, RUN_FILES.batches);
  if (!resume) await rm(path, { force: true });
  const writer = openMetrics(path, { append: true });
  // An unfinished last line is gone now.
  const done = (await readMetrics(path)).map((record, line): EvaluatedBatch => {
    if (isBatch(record)) return record;
    throw new FormatError(`${path}: line ${line + 1} is no batch of an evaluation; start anew with --force`);
  });
  let batches = done.length;
  return {
    done,
    get batches() {
      return batches;
    },
    write: (batch) => {
      writer.write({ ...batch });
      batches++;
    },
    finish: async () => {
      writer.close();
      await rm(path, { force: true });
    },
    [Symbol.dispose]: () => {
      writer.close();
    },
  };
}

function isBatch(record: object): record is EvaluatedBatch {
  const fields = record as Partial<Record<keyof EvaluatedBatch, unknown>>;
  return (
    typeof fields.version === 'string' &&
    [fields.indices, fields.predictions, fields.margins].every(
      (list) => Array.isArray(list) && list.every((value) => typeof value === 'number'),
    )
  );
}

/**
 * Throws a `UsageError` unless the folder holds an unfinished evaluation with these settings, naming the first that differs.
 */
export async function checkResumable(folder: string, config: Readonly<Record<string, unknown>>): Promise<void> {
  if (await exists(join(folder, RUN_FILES.results)))
    throw new UsageError(`--resume: the evaluation in ${folder} is complete; its numbers are in ${RUN_FILES.results}`);
  let found: unknown;
  try {
    found = JSON.parse(await readFile(join(folder, RUN_FILES.config), 'utf8'));
  } catch (cause) {
    throw new UsageError(`--resume: ${folder} holds no interrupted evaluation; leave --resume out`, { cause });
  }
  const before = new Map(Object.entries(Object(found) as Record<string, unknown>));
  for (const [name, value] of Object.entries(config)) {
    const [was, is] = [before.get(name), value].map((each) => JSON.stringify(each));
    if (was !== is) {
      throw new UsageError(
        `--resume: the evaluation in ${folder} has ${name} ${was ?? 'none'}, not ${is ?? 'none'}; name another folder`,
      );
    }
  }
}
