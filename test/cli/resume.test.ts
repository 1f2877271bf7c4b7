import { cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { readMetrics } from '../../node/metrics.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist, type CommandResult } from './run.js';

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

const TINY = ['train', '--data', 'data', '--width', '0.1', '--batch-size', '8', '--attack-steps', '1', '--seed', '3'];
const COMPLETE = ['config.json', 'metrics.jsonl', 'model.safetensors', 'report.html'];

/** Runs a command line until it writes a text to standard error, and then stops it. */
async function runUntil(text: string, args: readonly string[]): Promise<CommandResult> {
  const interruption = new AbortController();
  const onErr = (line: string): void => {
    if (line.includes(text)) interruption.abort(new Error('stop'));
  };
  return run(args, { signal: interruption.signal, onErr });
}

const model = (folder: string): Promise<Buffer> => readFile(`${folder}/model.safetensors`);

/** The metrics but for the time that steps took. */
async function metricsOf(folder: string): Promise<object[]> {
  return (await readMetrics(`${folder}/metrics.jsonl`)).map((record) => ({ ...record, stepsPerSecond: undefined }));
}

describe('bulwark train --resume', () => {
  it('goes on with an interrupted run, bit for bit, and lets no line of the metrics come twice', async () => {
    const length = ['--steps', '12', '--eval-samples', '10'];
    expect((await run([...TINY, ...length, '--out', 'whole'])).code).toBe(0);
    const stopped = await runUntil('/12 steps', [...TINY, ...length, '--out', 'halved']);
    expect(stopped.code).toBe(130);
    expect(await filesUnder('halved')).toEqual(['checkpoint.safetensors', ...COMPLETE]);
    // Steps that were done after the checkpoint, and a line that was cut short, as a kill may leave them.
    const steps = await readMetrics('halved/metrics.jsonl');
    const line = JSON.stringify({ ...steps.at(-1), step: 100 });
    await writeFile('halved/metrics.jsonl', `${await readFile('halved/metrics.jsonl', 'utf8')}${line}\n{"step":`);
    // From another folder, too.
    await mkdir('elsewhere');
    process.chdir('elsewhere');
    const { code, out, err } = await run(['train', '--resume', '../halved']);
    process.chdir('..');
    expect(err).toContain('going on in ../halved');
    expect(code).toBe(0);
    expect(out).toContain('natural');
    expect(await model('halved')).toEqual(await model('whole'));
    expect(await metricsOf('halved')).toEqual(await metricsOf('whole'));
    expect(await filesUnder('halved')).toEqual(COMPLETE);
    expect(await readFile('halved/config.json')).toEqual(await readFile('whole/config.json'));
  });

  it('begins anew with a run that was killed before its first checkpoint, whose steps do not come twice', async () => {
    expect((await run([...TINY, '--steps', '6', '--eval-samples', '0', '--out', 'whole'])).code).toBe(0);
    await mkdir('killed');
    await cp('whole/config.json', 'killed/config.json');
    const [first, second, third] = (await readFile('whole/metrics.jsonl', 'utf8')).split('\n');
    await writeFile('killed/metrics.jsonl', `${first}\n${second}\n${third?.slice(0, 9)}`);
    expect((await run(['train', '--resume', 'killed'])).code).toBe(0);
    expect(await model('killed')).toEqual(await model('whole'));
    expect(await metricsOf('killed')).toEqual(await metricsOf('whole'));
  });

  it('goes on from the last of the checkpoints, and with an evaluation that was interrupted', async () => {
    const args = [...TINY, '--steps', '6', '--checkpoint-every', '2', '--eval-samples', '20', '--out', 'run'];
    const stopped = await runUntil('evaluate', args);
    expect(stopped.code).toBe(130);
    const trained = await model('run');
    const { code, err } = await run(['train', '--resume', 'run']);
    expect(code).toBe(0);
    expect(err).not.toContain('/6 steps');
    expect(await model('run')).toEqual(trained);
    const metrics = await readMetrics('run/metrics.jsonl');
    expect(metrics.map(({ step, evaluation }) => step ?? evaluation)).toEqual([
      1,
      2,
      3,
      4,
      5,
      6,
      'natural',
      'fgsm',
      'pgd-20',
      'worst case',
    ]);
  });

  it('goes on with averages, validations and a configuration file, and keeps the best', async () => {
    const settings = {
      ...{ objective: { name: 'trades' }, validation: { samples: 16, steps: 2 }, model: { options: { width: 0.1 } } },
      training: { epochs: 3, batchSize: 16, average: { kind: 'swa', start: 0.2 }, maxNorm: 1 },
      ...{ dataset: { folder: 'data' }, attack: { steps: 1 }, evaluation: { samples: 10 }, seed: 3 },
    };
    await writeFile('settings.json', JSON.stringify(settings));
    const length = ['train', '--config', 'settings.json', '--checkpoint-every', '3'];
    const whole = await run([...length, '--out', 'whole']);
    expect([whole.code, whole.err]).toEqual([0, expect.stringContaining('validation after epoch 3: natural ')]);
    expect(whole.out).toMatch(/^accuracy +trades +best\n/);
    const stopped = await runUntil('validation after epoch 1', [...length, '--out', 'halved']);
    expect(stopped.code).toBe(130);
    expect((await run(['train', '--resume', 'halved'])).code).toBe(0);
    expect(await filesUnder('halved')).toEqual(['best.safetensors', ...COMPLETE]);
    for (const name of ['model', 'best']) {
      expect(await readFile(`halved/${name}.safetensors`)).toEqual(await readFile(`whole/${name}.safetensors`));
    }
    expect(await metricsOf('halved')).toEqual(await metricsOf('whole'));
    const validations = (await readMetrics('whole/metrics.jsonl')).filter((record) => 'validation' in record);
    expect(validations.map(({ validation, step }) => [validation, step])).toEqual(
      [1, 2, 3].map((epoch) => [epoch, 4 * epoch]),
    );
    expect(await readFile('whole/report.html', 'utf8')).toContain('PGD, validation');
    // Its own configuration is a file of settings too.
    expect((await run(['train', '--config', 'whole/config.json', '--out', 'again'])).code).toBe(0);
    expect(await model('again')).toEqual(await model('whole'));
  });

  it('finds images that have moved where it is told that they are', async () => {
    const args = [...TINY, '--steps', '12', '--eval-samples', '10'];
    expect((await run([...args, '--out', 'whole'])).code).toBe(0);
    expect((await runUntil('/12 steps', [...args, '--out', 'halved'])).code).toBe(130);
    await rename('data', 'moved');
    for (const command of [
      ['train', '--resume', 'halved'],
      ['evaluate', 'whole'],
    ]) {
      const { code, err } = await run(command);
      expect([code, err]).toEqual([
        2,
        expect.stringMatching(
          /^error: (halved|whole): its images were in .*data, where there is nothing now; say by --data/,
        ),
      ]);
    }
    expect((await run(['train', '--resume', 'halved', '--data', 'moved'])).code).toBe(0);
    expect(await model('halved')).toEqual(await model('whole'));
    const evaluated = await run(['evaluate', 'whole', '--data', 'moved', '--attacks', 'natural', '--samples', '10']);
    expect(evaluated.code).toBe(0);
  });

  it('refuses other settings, what is complete, and what is no run or a broken one', async () => {
    const resume = async (...args: string[]): Promise<string> => {
      const { code, err } = await run(['train', '--resume', ...args]);
      return `${code} ${err.split('\n').at(-1)}`;
    };
    expect(await resume('none')).toMatch(/^1 error: cannot read none\/config\.json: there is no such file/);
    expect((await run([...TINY, '--steps', '2', '--eval-samples', '0', '--out', 'run'])).code).toBe(0);
    expect(await resume('run')).toBe(
      '2 error: --resume: the run in run is complete, or its checkpoint was removed; see run/report.html',
    );
    expect(await resume('run', '--lr', '1')).toBe('2 error: --resume takes every setting from the run; leave --lr out');
    const config = JSON.parse(await readFile('run/config.json', 'utf8')) as Record<string, unknown>;
    const changed = async (change: object): Promise<string> => {
      await writeFile('run/config.json', JSON.stringify({ ...config, ...change }));
      return resume('run');
    };
    expect(await changed({ version: 2 })).toBe('1 error: run/config.json: has version 2; this bulwark reads version 1');
    expect(await changed({ sead: 1 })).toBe('1 error: run/config.json: unknown key sead (did you mean seed?)');
    expect(await changed({ dataset: { name: 'mnist', folder: null, subset: -1 } })).toMatch(/dataset\.subset: /);
    expect(await changed({ attack: { eps: 0.1, step: 1 } })).toMatch(
      /unknown key attack\.step \(did you mean steps\?\)/,
    );
    await writeFile('run/config.json', '{"version":');
    expect(await resume('run')).toMatch(/^1 error: run\/config\.json: is no JSON/);
    await writeFile('run/config.json', JSON.stringify(config));
    await writeFile('run/checkpoint.safetensors', 'x');
    expect(await resume('run')).toMatch(
      /^1 error: run\/checkpoint\.safetensors: ends at byte 1.*; to train it anew: (.*)$/,
    );
    const anew = 'bulwark train --config run/config.json --out run --force';
    expect(await resume('run')).toContain(anew);
    expect((await run(anew.split(' ').slice(1))).code).toBe(0);
  });
});
