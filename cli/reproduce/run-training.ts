import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DivergenceError } from '../../adversarial/step-metrics.js';
import { FormatError } from '../../engine/errors.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { readMetrics } from '../../node/metrics.js';
import { trainIn } from '../train-run.js';
import type { TrainConfig } from '../config.js';
import type { Context } from '../context.js';
import { EXIT, InterruptedError } from '../errors.js';
import { RUN_FILES } from '../folders.js';
import { stepsIn } from '../history.js';
import type { PlannedRun } from './plan.js';

/** Where a reproduction keeps its runs, and what it computes on. */
export interface Workplace {
  readonly context: Context;
  readonly folder: string;
  readonly adapter: AdapterOptions['adapter'];
}

/** What the user is told when they stop a reproduction. */
export const INTERRUPTED = 'interrupted; what was done is kept: the same command goes on from there';

/** What the folders of accuracies begin with. */
const EVALUATION = 'evaluation-';

/** The folder of a run. */
export function runFolder(folder: string, { name }: Pick<PlannedRun, 'name'>): string {
  return join(folder, 'runs', name);
}

/** Where the accuracies on so many test images are, in the folder of a run. */
export function evaluationFolder(folder: string, run: PlannedRun, samples: number): string {
  return join(runFolder(folder, run), `${EVALUATION}${samples}`);
}

/** Training steps of a run on so many images. */
export function stepsOf(
  { training: { steps, epochs, batchSize }, dataset: { subset } }: TrainConfig,
  images: number,
): number {
  return steps ?? (epochs ?? 0) * Math.ceil((subset ?? images) / batchSize);
}

/**
 * Training steps of a run on so many images that are still to be done; undefined where its network is trained to the end. A run that was
 * stopped has a model and a report too, and one without a checkpoint begins anew.
 *
 * @throws FormatError where the metrics are broken
 */
export async function stepsLeft(folder: string, run: PlannedRun, images: number): Promise<number | undefined> {
  const path = runFolder(folder, run);
  const names = await namesIn(path);
  const metrics = join(path, RUN_FILES.metrics);
  const lines = names.includes(RUN_FILES.metrics) ? await withAdvice(path, () => readMetrics(metrics)) : [];
  const left = stepsOf(run.config, images) - (stepsIn(lines).at(-1)?.step ?? 0);
  if (names.includes(RUN_FILES.checkpoint)) return left;
  const done = left === 0 && names.includes(RUN_FILES.model) && names.includes(RUN_FILES.report);
  return done ? undefined : stepsOf(run.config, images);
}

async function namesIn(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => []);
}

/** Does what reads the files of a run's folder; a broken one is named with what to do. */
async function withAdvice<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`${cause.message}; remove ${path}, and it is trained anew`, { cause });
  }
}

/**
 * Trains a network, or goes on with it, unless that is done. Gives a sentence where the training came to nothing: it diverged.
 *
 * @param images how many training images there are
 * @throws InterruptedError where the user stops it; FormatError where a file of the run is broken
 */
export async function ensureTrained(
  { context, folder, adapter }: Workplace,
  run: PlannedRun,
  images: number,
): Promise<string | undefined> {
  if ((await stepsLeft(folder, run, images)) === undefined) return undefined;
  const path = runFolder(folder, run);
  const names = await namesIn(path);
  const begun = names.includes(RUN_FILES.config);
  // A network that is not trained to the end, and what was measured of it, must not be taken for the one that is to come.
  const stale = names.filter(
    (name) => name === RUN_FILES.model || name === RUN_FILES.report || name.startsWith(EVALUATION),
  );
  for (const name of stale) await rm(join(path, name), { recursive: true });
  // What the run says of itself in its place is a part of what is said here.
  const quiet = { ...context, out: () => undefined };
  const options = { adapter, warnings: [], isPart: true };
  try {
    const code = await withAdvice(path, () =>
      trainIn({ path, force: false, resume: begun }, run.config, options, quiet),
    );
    if (code !== EXIT.success) throw new InterruptedError(INTERRUPTED);
    return undefined;
  } catch (error) {
    if (error instanceof DivergenceError) return error.message;
    throw error;
  }
}
