import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { FormatError } from '../../../engine/errors.js';
import { describeError, exitCodeOf, InterruptedError } from '../../../cli/errors.js';
import { planTable, type Plan, type PlannedRun } from '../../../cli/reproduce/plan.js';
import { reproduceTable } from '../../../cli/reproduce/reproduce.js';
import { paperTable, type PaperTable } from '../../../cli/reproduce/tables.js';
import { filesUnder, inTemporaryFolder, writeTinyMnist } from '../run.js';

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

/** 24 training images in 2 steps of each of 4 epochs, 4 test images. */
const SCALE = 0.0004;

/** A table of one row with a tiny network, one step of attack in training, and only fast columns. */
function tinyPlan({
  substitute,
  columns = ['natural', 'fgsm'],
  data = 'data',
}: Partial<Pick<PaperTable, 'substitute' | 'columns'> & { data: string }> = {}): Plan {
  const table = { ...paperTable('table8'), columns, ...(substitute !== undefined && { substitute }) };
  const choices = {
    scale: SCALE,
    seeds: 1,
    seed: 0,
    data,
    substitute: 'standard-at',
    only: ['standard-at'],
  } as const;
  const plan = planTable(table, choices);
  const tiny = (run: PlannedRun): PlannedRun => {
    const { model, attack } = run.config;
    const smaller = { ...model, options: { ...model.options, width: 0.1 } };
    return { ...run, config: { ...run.config, model: smaller, attack: { ...attack, steps: 1 } } };
  };
  return {
    ...plan,
    rows: plan.rows.map(({ label, runs }) => ({ label, runs: runs.map(tiny) })),
    runs: plan.runs.map(tiny),
    substitute: plan.substitute && tiny(plan.substitute),
  };
}

interface Session {
  readonly code: number | undefined;
  readonly error: unknown;
  readonly out: string;
  readonly err: string;
}

/** Reproduces the tiny table in a folder; with `until`, until that is written to standard error. */
async function session(
  folder: string,
  { plan = tinyPlan(), until, dryRun = false }: { plan?: Plan; until?: string; dryRun?: boolean } = {},
): Promise<Session> {
  const [out, err]: [string[], string[]] = [[], []];
  const interruption = new AbortController();
  const context = {
    out: (text: string) => out.push(text),
    err: (text: string) => {
      err.push(text);
      if (until !== undefined && text.includes(until)) interruption.abort(new Error('stop'));
    },
    signal: interruption.signal,
  };
  let [code, error]: [number | undefined, unknown] = [undefined, undefined];
  try {
    code = await reproduceTable(plan, { context, folder, adapter: undefined }, { dryRun, estimated: dryRun });
  } catch (cause) {
    error = cause;
  }
  return { code, error, out: out.join('\n'), err: err.join('\n') };
}

/** The accuracies that were printed. */
const printed = ({ out }: Session): string[] => out.split('\n').filter((line) => / % \(/.test(line));

async function cellsIn(folder: string): Promise<unknown> {
  const path = `${folder}/table8-scale-${SCALE}-only-standard-at/results.json`;
  return (JSON.parse(await readFile(path, 'utf8')) as { cells: unknown }).cells;
}

describe('bulwark reproduce', () => {
  it('prints the runs and the time that they will take, and writes nothing, with --dry-run', async () => {
    const { code, out } = await session('dry', { dryRun: true });
    expect(code).toBe(0);
    expect(out).toMatch(/^Table 8: .*\nNO REPRODUCTION.*\nchanged: training images: 24 instead of 60000/);
    expect(out).toMatch(
      /^1 standard-at-cnn4-mnist-[0-9a-f]{12} +standard-at +train, measure 2 of 2 columns +\d+:\d\d +\d+:\d\d$/m,
    );
    expect(out).toMatch(/1 of 1 runs have something to do; about \d+:\d\d on this adapter$/);
    expect(await filesUnder('dry')).toEqual([]);
  });

  it('goes on with what was interrupted, to the same table, and then has nothing to do', async () => {
    const whole = await session('whole');
    expect(whole.error).toBeUndefined();
    expect(whole.code).toBe(0);
    expect(printed(whole)).toHaveLength(2);
    const training = await session('halved', { until: '/8 steps' });
    expect(training.error).toBeInstanceOf(InterruptedError);
    expect(training.err).toMatch(/interrupted after step \d of 8; the model was saved$/);
    const [name = ''] = await readdir('halved/runs');
    expect(await readdir(`halved/runs/${name}`)).toContain('checkpoint.safetensors');
    const evaluating = await session('halved', { until: ' images | ' });
    expect(evaluating.error).toBeInstanceOf(InterruptedError);
    expect(exitCodeOf(evaluating.error)).toBe(130);
    expect(describeError(evaluating.error, false)).toMatch(
      /what was done is kept: the same command goes on from there$/,
    );
    expect(await filesUnder(`halved/runs/${name}/evaluation-4`)).toEqual(['batches.jsonl']);
    expect(evaluating.err).toMatch(/ images \| .* \| natural$/);
    const done = await session('halved');
    expect(done.code).toBe(0);
    expect(done.err).not.toContain(' steps | ');
    expect(done.err).toMatch(/ images \| .* \| FGSM$/);
    expect(await cellsIn('halved')).toEqual(await cellsIn('whole'));
    expect(printed(done)).toEqual(printed(whole));
    expect(await filesUnder(`halved/runs/${name}/evaluation-4`)).toHaveLength(2);
    const again = await session('halved');
    expect(again.out).toMatch(/standard-at +nothing$/m);
    expect(printed(again)).toEqual(printed(whole));
    expect(again.err).not.toMatch(/ (steps|images) \| /);
  });

  it('measures no network but a trained one, and nothing of one that is gone', async () => {
    const whole = await session('whole');
    await session('halved', { until: '/8 steps' });
    const [name = ''] = await readdir('halved/runs');
    const run = `halved/runs/${name}`;
    await writeFile(`${run}/checkpoint.safetensors`, 'broken');
    const broken = await session('halved');
    expect(broken.error).toBeInstanceOf(FormatError);
    expect(describeError(broken.error, false)).toMatch(
      new RegExp(`^error: ${run}/checkpoint.safetensors: .*; remove ${run}, and it is trained anew$`),
    );
    // As it would be had the network been measured as it was left, all wrong.
    await rm(`${run}/checkpoint.safetensors`);
    await mkdir(`${run}/evaluation-4`);
    await writeFile(`${run}/evaluation-4/natural.json`, '{"count":0,"total":4}');
    const done = await session('halved');
    expect(done.err).toContain('/8 steps');
    expect(printed(done)).toEqual(printed(whole));
    expect(await cellsIn('halved')).toEqual(await cellsIn('whole'));
  });

  it('knows its images by what they are, not by where they are', async () => {
    const first = await session('out');
    await cp('data', 'moved', { recursive: true });
    const again = await session('out', { plan: tinyPlan({ data: './moved/' }) });
    expect(again.err).not.toMatch(/ (steps|images) \| /);
    expect(printed(again)).toEqual(printed(first));
    const images = await readFile('moved/t10k-images-idx3-ubyte');
    await writeFile('moved/t10k-images-idx3-ubyte', images.fill(0, 16));
    const other = await session('out', { plan: tinyPlan({ data: 'moved' }) });
    expect(other.err).toContain('/8 steps');
    expect(await readdir('out/runs')).toHaveLength(2);
  });

  it('makes the attacks of a black-box table on the substitute, here the same run as the row', async () => {
    const plan = tinyPlan({ substitute: 'cnn4', columns: ['fgsm'] });
    expect(plan.runs.map(({ id }) => id)).toEqual([plan.substitute?.id]);
    const { code, out } = await session('black', { plan });
    expect(code).toBe(0);
    const [name = ''] = await readdir('black/runs');
    const folder = `black/runs/${name}/evaluation-4`;
    const [file = ''] = await readdir(folder);
    const kept = JSON.parse(await readFile(`${folder}/${file}`, 'utf8')) as object;
    expect(kept).toMatchObject({ column: 'fgsm', settings: { attack: 'fgsm', substitute: name } });
    expect(out).toMatch(/standard-at +FGSM +\d+\.\d %/);
  });
});
