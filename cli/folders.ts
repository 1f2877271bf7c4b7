import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { METRICS_FILE, createRunFolder, isLeftover, reopenRunFolder, writeFileAtomic } from '../node/files.js';
import type { FolderLock } from '../node/lock.js';
import { filterMetrics, openMetrics, type MetricsRecord } from '../node/metrics.js';
import { UsageError } from './errors.js';

/** The files of a run, by what they hold. */
export const RUN_FILES = {
  config: 'config.json',
  metrics: METRICS_FILE,
  model: 'model.safetensors',
  /** What validated best, where there was a validation. */
  best: 'best.safetensors',
  /** What an unfinished training run goes on from. */
  checkpoint: 'checkpoint.safetensors',
  report: 'report.html',
  markdown: 'report.md',
  results: 'results.json',
  /** What an unfinished evaluation has measured. */
  batches: 'batches.jsonl',
} as const;

/** Where a command is to write to. */
export interface Place {
  readonly path: string;
  /** Replace the run that is there. */
  readonly force: boolean;
  /** Go on with what is there. */
  readonly resume?: boolean;
  /** The base of its name, where the user named none: another process may take it first. */
  readonly base?: string | undefined;
}

/** The names in a folder, but for what killed processes leave; undefined where there is no such folder. */
async function namesIn(folder: string): Promise<string[] | undefined> {
  const names = await readdir(folder).catch(() => undefined);
  return names?.filter((name) => !isLeftover(name));
}

/**
 * The folder that a command is to write to, checked before anything is done: the one that was named, which holds a run only
 * if `force` is set, or else the first of `runs/<name>`, `runs/<name>-2`, ... that there is not. Nothing is made yet.
 *
 * @throws UsageError where the named folder holds anything
 */
export async function chooseFolder(
  named: string | undefined,
  name: string,
  force: boolean | undefined,
): Promise<Place> {
  if (named === undefined) {
    const base = join('runs', name);
    return { path: await freeFolder(base), force: false, base };
  }
  const names = (await namesIn(named)) ?? [];
  if (names.length > 0 && !names.includes(RUN_FILES.metrics)) {
    throw new UsageError(`--out ${named}: is not empty and holds no run; name a new or an empty folder`);
  }
  if (names.length > 0 && force !== true) {
    throw new UsageError(`--out ${named}: holds a run already; name another folder, or replace it with --force`);
  }
  return { path: named, force: force === true };
}

async function freeFolder(base: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = number === 1 ? base : `${base}-${number}`;
    // A lock, too, is somebody's.
    const names = await readdir(path).catch(() => []);
    if (names.length === 0) return path;
  }
}

/** A run's folder that is being written. */
export interface OpenRun {
  /** As the user would write it. */
  readonly path: string;
  /** Appends a line to the metrics file. */
  readonly log: (record: MetricsRecord) => void;
  /** Takes the metrics back to a step: lines of later steps, and of evaluations, go. */
  readonly rewind: (step: number) => Promise<void>;
  /** Keeps the folder although the work may fail: it holds something that is worth it. */
  readonly keep: () => void;
}

/** Makes or reopens a folder and locks it; of a name that the user did not choose, the next one where another process was faster. */
async function takeFolder({ path, force, resume, base }: Place): Promise<{
  readonly path: string;
  readonly existed: boolean;
  readonly lock: FolderLock;
}> {
  const existed = (await namesIn(path)) !== undefined;
  try {
    return { path, existed, lock: resume ? await reopenRunFolder(path) : await createRunFolder(path, { force }) };
  } catch (error) {
    const next = base === undefined ? path : await freeFolder(base);
    if (next === path) throw error;
    return takeFolder({ path: next, force, base });
  }
}

/**
 * Makes a run's folder, writes its configuration, opens its metrics file and does the work. Where that fails before anything
 * was logged or kept, nothing is left.
 *
 * @throws ArgumentError where the folder cannot be made or written to, and what the work throws
 */
export async function inRunFolder<T>(
  place: Place,
  config: Readonly<Record<string, unknown>>,
  work: (run: OpenRun) => Promise<T>,
): Promise<T> {
  const { path, existed, lock } = await takeFolder(place);
  let kept = place.resume ?? false;
  try {
    if (!place.resume) await writeFileAtomic(join(path, RUN_FILES.config), `${JSON.stringify(config, null, 2)}\n`);
    const metricsFile = join(path, RUN_FILES.metrics);
    let metrics = openMetrics(metricsFile, { append: place.resume });
    try {
      return await work({
        path,
        log: (record) => {
          metrics.write(record);
          kept = true;
        },
        rewind: async (step) => {
          metrics.close();
          await filterMetrics(metricsFile, (record) => Number(record['step'] ?? Infinity) <= step);
          metrics = openMetrics(metricsFile, { append: true });
        },
        keep: () => {
          kept = true;
        },
      });
    } finally {
      metrics.close();
    }
  } catch (error) {
    if (!kept) {
      for (const name of [RUN_FILES.config, RUN_FILES.metrics, RUN_FILES.batches])
        await rm(join(path, name), { force: true });
      await lock.release();
      // Where it is not empty after all, it stays.
      if (!existed) await rmdir(path).catch(() => undefined);
    }
    throw error;
  } finally {
    await lock.release();
  }
}
