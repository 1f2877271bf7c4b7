import { readFile, readdir } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { planTable } from '../../../cli/reproduce/plan.js';
import { reproduceTable } from '../../../cli/reproduce/reproduce.js';
import { paperTable } from '../../../cli/reproduce/tables.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist, type CommandResult } from '../run.js';

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

/** 30 training images in 2 steps of each of 4 epochs, 5 test images. */
const SCALE = 0.0005;
const TINY = ['reproduce', 'table8', '--scale', String(SCALE), '--data', 'data', '--only', 'standard-at'];

/** Runs a command line until it writes a text to standard error, and then stops it. */
async function runUntil(text: string, args: readonly string[]): Promise<CommandResult> {
  const interruption = new AbortController();
  const onErr = (line: string): void => {
    if (line.includes(text)) interruption.abort(new Error('stop'));
  };
  return run(args, { signal: interruption.signal, onErr });
}

/** The numbers of a table, without the time and the machine. */
async function cellsIn(folder: string): Promise<unknown> {
  const path = `${folder}/table8-scale-${SCALE}-only-standard-at/results.json`;
  const { cells } = JSON.parse(await readFile(path, 'utf8')) as { cells: { ours?: number }[] };
  expect(cells.map(({ ours }) => typeof ours)).toEqual(Array<string>(6).fill('number'));
  return cells;
}

describe('bulwark reproduce', () => {
  it('prints the runs and the time that they will take, and writes nothing, with --dry-run', async () => {
    const { code, out } = await run([...TINY, '--dry-run']);
    expect(code).toBe(0);
    expect(out).toMatch(/^Table 8: .*\nNO REPRODUCTION.*\nchanged: training images: 30 instead of 60000/);
    expect(out).toMatch(
      /^1 standard-at-cnn4-mnist-[0-9a-f]{12} +standard-at +train, measure 6 of 6 columns +\d+:\d\d +\d+:\d\d$/m,
    );
    expect(out).toMatch(/1 of 1 runs have something to do; about \d+:\d\d on this adapter$/);
    expect(await filesUnder('reproduce')).toEqual([]);
  });

  it('goes on with what was interrupted, to the same table, and then has nothing to do', async () => {
    const whole = await run([...TINY, '--out', 'whole']);
    expect(whole.err).not.toContain('error');
    expect(whole.code).toBe(0);
    const halved = [...TINY, '--out', 'halved'];
    const training = await runUntil('/8 steps', halved);
    expect(training.code).toBe(130);
    expect(training.err).toContain('interrupted; what was done is kept: the same command goes on from there');
    const [name = ''] = await readdir('halved/runs');
    expect(await readdir(`halved/runs/${name}`)).toContain('checkpoint.safetensors');
    const evaluating = await runUntil('images', halved);
    expect(evaluating.code).toBe(130);
    expect(await filesUnder(`halved/runs/${name}/evaluation-5`)).toEqual(['batches.jsonl']);
    const done = await run(halved);
    expect(done.code).toBe(0);
    expect(done.err).not.toContain('steps |');
    expect(await cellsIn('halved')).toEqual(await cellsIn('whole'));
    // The adapter's name and the time are not in the table that is printed.
    const printed = (out: string): string[] => out.split('\n').filter((line) => / % \(/.test(line));
    expect(printed(done.out)).toEqual(printed(whole.out));
    expect(printed(done.out)).toHaveLength(6);
    const again = await run(halved);
    expect(again.out).toMatch(/standard-at +nothing$/m);
    expect(printed(again.out)).toEqual(printed(whole.out));
    expect(again.err).not.toMatch(/steps \||images \|/);
    expect(await filesUnder(`halved/runs/${name}/evaluation-5`)).toHaveLength(6);
  });

  it('makes the attacks of a black-box table on the substitute', async () => {
    const choices = {
      scale: SCALE,
      seeds: 1,
      seed: 0,
      data: 'data',
      substitute: 'plain',
      only: ['standard-at'],
    } as const;
    const table = { ...paperTable('table8'), columns: ['fgsm'], substitute: 'cnn4' } as const;
    const plan = planTable(table, choices);
    expect(plan.runs.map(({ config }) => config.objective.name)).toEqual(['plain', 'standard-at']);
    const out: string[] = [];
    const context = {
      out: (text: string) => out.push(text),
      err: () => undefined,
      signal: new AbortController().signal,
    };
    const place = { context, folder: 'black', adapter: undefined };
    expect(await reproduceTable(plan, place, { dryRun: false })).toBe(0);
    const [substitute, robust] = plan.runs.map(({ name }) => `black/runs/${name}`);
    expect((await filesUnder(substitute ?? '')).filter((file) => file.startsWith('evaluation'))).toEqual([]);
    const [file = ''] = await readdir(`${robust ?? ''}/evaluation-5`);
    const kept = JSON.parse(await readFile(`${robust ?? ''}/evaluation-5/${file}`, 'utf8')) as object;
    expect(kept).toMatchObject({ column: 'fgsm', settings: { attack: 'fgsm', substitute: plan.substitute?.name } });
    expect(out.join('\n')).toMatch(/standard-at +FGSM +\d+\.\d %/);
  });
});
