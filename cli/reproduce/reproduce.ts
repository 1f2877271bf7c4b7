import type { Dataset } from '../../data/dataset.js';
import { ArgumentError } from '../../engine/errors.js';
import { makeFolder } from '../../node/files.js';
import { lockFolder } from '../../node/lock.js';
import { loadDataset } from '../datasets.js';
import { RunDevice } from '../device.js';
import { EXIT, InterruptedError, UsageError } from '../errors.js';
import { environmentOf } from '../reporting.js';
import { formatTable } from '../table.js';
import { estimate, type PendingWork } from './estimate.js';
import { footnotesOf } from './footnotes.js';
import { planFor, type Plan } from './plan.js';
import { runTable, totalOf } from './plan-text.js';
import { cellsOf, findingsOf, largestShare, type Outcome } from './results.js';
import { ensureEvaluated, keptAccuracies } from './run-evaluation.js';
import { INTERRUPTED, ensureTrained, stepsLeft, type Workplace } from './run-training.js';
import { writeTable, type TableResults } from './table-files.js';
import { alertsOf, cellRows, explanationOf, titleOf } from './table-text.js';

/** How a table is to be reproduced. */
export interface ReproduceOptions {
  /** Only say what would be done. */
  readonly dryRun: boolean;
  /** Measure first how long it will take. */
  readonly estimated: boolean;
}

/**
 * Reproduces a table: prints its runs and how long they will take, trains and measures what is not done yet, one after the other, and prints
 * ours beside the paper's. Everything that is done is kept in the folder, for this table and others. Returns the exit code.
 *
 * @throws InterruptedError where the user stops it; LockedError where another process works in the folder; what reading the dataset throws
 */
export async function reproduceTable(
  asked: Plan,
  place: Workplace,
  { dryRun, estimated }: ReproduceOptions,
): Promise<number> {
  const { context } = place;
  context.out(titleOf(asked));
  for (const alert of alertsOf(asked)) context.out(alert);
  const data = await loadHalves(asked);
  const plan = planFor(asked, data.training, data.test);
  if (dryRun) {
    await announce(plan, place, data, estimated);
    return EXIT.success;
  }
  await makeFolder(place.folder);
  const lock = await lockFolder(place.folder);
  try {
    await announce(plan, place, data, estimated);
    const results = await runAll(plan, place, data);
    context.out(formatTable(cellRows(plan, results.cells)));
    context.out(explanationOf(plan));
    for (const finding of results.findings) context.out(`look: ${finding}`);
    for (const note of footnotesOf(plan)) context.out(`note: ${note}`);
    // Again, since what scrolls by is soon forgotten.
    for (const alert of alertsOf(plan).slice(0, 1)) context.out(alert);
    context.out(`table: ${await writeTable(place.folder, results)}`);
    return EXIT.success;
  } finally {
    await lock.release();
  }
}

interface Halves {
  readonly training: Dataset;
  readonly test: Dataset;
}

async function loadHalves({ runs, samples, table }: Plan): Promise<Halves> {
  const [first] = runs;
  if (!first) throw new UsageError(`${table.name}: there is no row to reproduce`);
  const { name, folder, subset } = first.config.dataset;
  const from = { folder: folder ?? undefined, option: '--scale' };
  try {
    return {
      training: await loadDataset(name, 'train', { ...from, count: subset ?? undefined }),
      test: await loadDataset(name, 'test', { ...from, count: samples }),
    };
  } catch (cause) {
    if (!(cause instanceof ArgumentError) || table.dataset === 'mnist') throw cause;
    throw new ArgumentError(`${cause.message} by --data; --dataset shapes32 runs on generated images instead`, {
      cause,
    });
  }
}

/** Prints the runs and, where that is wanted, how long they will take. */
async function announce(plan: Plan, place: Workplace, { training }: Halves, estimated: boolean): Promise<void> {
  const { context, adapter } = place;
  const work = await pendingWork(plan, place.folder, training.size);
  if (work.length === 0 || !estimated) {
    context.out(runTable(plan, work, undefined));
    return;
  }
  using device = await RunDevice.open(adapter);
  context.err(`adapter ${device.choice.kind}: ${device.choice.driver}`);
  context.err('measuring a few steps of each kind of run');
  const estimates = await estimate(plan, work, { device: device.device, training });
  context.out(runTable(plan, work, estimates));
  context.out(
    `${work.length} of ${plan.runs.length} runs have something to do; about ${totalOf(estimates)} on this adapter`,
  );
}

/** What is not done yet of each run. */
async function pendingWork(plan: Plan, folder: string, images: number): Promise<PendingWork[]> {
  const work: PendingWork[] = [];
  for (const run of plan.runs) {
    const steps = await stepsLeft(folder, run, images);
    const kept = steps === undefined ? await keptAccuracies(folder, run, plan) : new Map();
    const columns = isMeasured(plan, run.id) ? plan.columns.filter(({ column }) => !kept.has(column)) : [];
    if (steps !== undefined || columns.length > 0) work.push({ run, steps, columns });
  }
  return work;
}

/** A substitute is only trained, unless it is a row's run too. */
function isMeasured({ rows }: Plan, id: string): boolean {
  return rows.some(({ runs }) => runs.some((run) => run.id === id));
}

async function runAll(plan: Plan, place: Workplace, { training, test }: Halves): Promise<TableResults> {
  const { context, folder, adapter } = place;
  const outcomes = new Map<string, Outcome>();
  let environment: Readonly<Record<string, string>> = {};
  const results = (): TableResults => {
    const findings = findingsOf(plan, outcomes, largestShare(test));
    return { plan, cells: cellsOf(plan, outcomes), findings, environment };
  };
  for (const [index, run] of plan.runs.entries()) {
    if (context.signal.aborted) throw new InterruptedError(INTERRUPTED);
    context.err(`run ${index + 1} of ${plan.runs.length}: ${run.name}`);
    const failure = await ensureTrained(place, run, training.size);
    if (failure !== undefined) context.err(`warning: ${failure}`);
    if (failure !== undefined && run.id === plan.substitute?.id)
      throw new ArgumentError(`the substitute ${run.name}: ${failure}`);
    if (failure !== undefined) outcomes.set(run.id, { failure });
    else if (isMeasured(plan, run.id)) {
      using device = await RunDevice.open(adapter);
      environment = environmentOf(device);
      outcomes.set(run.id, await ensureEvaluated({ ...place, device: device.device, test }, run, plan));
    }
    // What is known so far can be looked at while the others run.
    await writeTable(folder, results());
  }
  return results();
}
