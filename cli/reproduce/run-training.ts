import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DivergenceError } from '../../adversarial/step-metrics.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { trainIn } from '../commands/train.js';
import type { Context } from '../context.js';
import { EXIT, InterruptedError } from '../errors.js';
import { RUN_FILES } from '../folders.js';
import type { PlannedRun } from './plan.js';

/** Where a reproduction keeps its runs, and what it computes on. */
export interface Workplace {
  readonly context: Context;
  readonly folder: string;
  readonly adapter: AdapterOptions['adapter'];
}

/** What the user is told when they stop a reproduction. */
export const INTERRUPTED = 'interrupted; what was done is kept: the same command goes on from there';

/** Steps between two checkpoints. */
const CHECKPOINT_EVERY = 100;

/** The folder of a run. */
export function runFolder(folder: string, { name }: Pick<PlannedRun, 'name'>): string {
  return join(folder, 'runs', name);
}

/** Whether the network of a run is trained to the end. */
export async function isTrained(folder: string, run: PlannedRun): Promise<boolean> {
  const names: readonly string[] = await readdir(runFolder(folder, run)).catch(() => []);
  return names.includes(RUN_FILES.model) && names.includes(RUN_FILES.report) && !names.includes(RUN_FILES.checkpoint);
}

/**
 * Trains a network, or goes on with it, unless that is done. Gives a sentence where the training came to nothing: it diverged.
 *
 * @throws InterruptedError where the user stops it
 */
export async function ensureTrained(
  { context, folder, adapter }: Workplace,
  run: PlannedRun,
): Promise<string | undefined> {
  if (await isTrained(folder, run)) return undefined;
  const path = runFolder(folder, run);
  const begun = await readdir(path).then(
    (names) => names.includes(RUN_FILES.config),
    () => false,
  );
  // What the run says of itself in its place is a part of what is said here.
  const quiet = { ...context, out: () => undefined };
  const options = { adapter, checkpointEvery: CHECKPOINT_EVERY, warnings: [] };
  try {
    const code = await trainIn({ path, force: false, resume: begun }, run.config, options, quiet);
    if (code !== EXIT.success) throw new InterruptedError(INTERRUPTED);
    return undefined;
  } catch (error) {
    if (error instanceof DivergenceError) return error.message;
    throw error;
  }
}
