import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../nn/safetensors.js';
import { readMetrics } from '../../node/metrics.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist } from './run.js';

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

const RUN = ['config.json', 'metrics.jsonl', 'model.safetensors', 'report.html'];
const TINY = ['--data', 'data', '--width', '0.1', '--batch-size', '8', '--attack-steps', '2', '--step-size', '0.15'];

const train = (...args: string[]) => run(['train', ...TINY, '--eval-samples', '10', ...args]);

describe('bulwark train', () => {
  it('writes configuration, metrics, checkpoint and report, and prints the accuracies', async () => {
    const { code, out, err } = await train('--steps', '3');
    expect(err).toMatch(/^adapter \w+: /);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^accuracy +mimae-at\n[\s\S]*natural +\d+\.0 % \([\s\S]*\nreport: runs\/mimae-at\/report\.html$/,
    );
    expect(await filesUnder('runs/mimae-at')).toEqual(RUN);

    const config: unknown = JSON.parse(await readFile('runs/mimae-at/config.json', 'utf8'));
    expect(config).toMatchObject({ preset: 'recommended', seed: 0, model: { name: 'cnn4', options: { width: 0.1 } } });
    expect(config).toMatchObject({ training: { steps: 3, batchSize: 8 }, attack: { eps: 0.2, steps: 2 } });

    const metrics = await readMetrics('runs/mimae-at/metrics.jsonl');
    expect(metrics.slice(0, 3).map(({ step }) => step)).toEqual([1, 2, 3]);
    for (const name of ['total', 'bce', 'mi', 'l1', 'naturalAccuracy', 'adversarialAccuracy', 'lr', 'stepsPerSecond']) {
      expect(metrics[2]?.[name], name).toBeTypeOf('number');
    }
    // The largest mutual information of 8 samples.
    expect(metrics[2]?.['miMax']).toBe(Math.log(8));
    expect(metrics.slice(3).map(({ evaluation }) => evaluation)).toEqual(['natural', 'fgsm', 'pgd-20', 'worst case']);

    const file = decodeSafetensors(new Uint8Array(await readFile('runs/mimae-at/model.safetensors')), 'model');
    expect(file.metadata).toMatchObject({ format: 'pt', model: 'cnn4', classes: '10', inChannels: '1', eps: '0.2' });
    expect(JSON.parse(file.metadata['options'] ?? '')).toMatchObject({ width: 0.1, init: 'kaimingNormal' });
    expect(file.tensors['feature_extractor.conv1.weight']?.shape).toEqual([3, 1, 3, 3]);
    expect(file.tensors['classifier.fc3.bias']?.shape).toEqual([10]);
    expect(await readFile('runs/mimae-at/report.html', 'utf8')).toContain('<title>mimae-at on mnist</title>');
  });

  it('gives bit-identical checkpoints for the same seed', async () => {
    const once = async (out: string): Promise<Buffer> => {
      const { code } = await run([
        'train',
        ...TINY,
        '--eval-samples',
        '0',
        '--steps',
        '2',
        '--seed',
        '7',
        '--out',
        out,
      ]);
      expect(code).toBe(0);
      return readFile(`${out}/model.safetensors`);
    };
    expect((await once('a')).equals(await once('b'))).toBe(true);
  });

  it('never overwrites: a second run gets a folder of its own, a named one needs --force', async () => {
    const plain = ['--objective', 'plain', '--steps', '1', '--eval-samples', '0'];
    for (const folder of ['runs/plain', 'runs/plain-2']) {
      expect((await train(...plain)).out).toBe(`report: ${folder}/report.html`);
    }
    const before = await readFile('runs/plain/model.safetensors');
    expect((await train(...plain, '--out', 'runs/plain', '--seed', '5')).code).toBe(2);
    expect(await readFile('runs/plain/model.safetensors')).toEqual(before);
    expect((await train(...plain, '--out', 'runs/plain', '--seed', '5', '--force')).code).toBe(0);
    expect(await readFile('runs/plain/model.safetensors')).not.toEqual(before);
    expect(await filesUnder('runs/plain')).toEqual(RUN);
  });

  it('when interrupted finishes the step, saves, reports, and ends with 130', async () => {
    const interruption = new AbortController();
    const onErr = (text: string): void => {
      if (text.includes('/1000 steps')) interruption.abort(new Error('stop'));
    };
    const options = { signal: interruption.signal, onErr };
    const { code, out, err } = await run(['train', ...TINY, '--eval-samples', '10', '--steps', '1000'], options);
    expect(code).toBe(130);
    const step = Number(/interrupted after step (\d+) of 1000; the model was saved; to go on: .*/.exec(err)?.[1]);
    expect(err).toMatch(/bulwark train --resume runs\/mimae-at$/);
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThan(100);
    expect(out).toBe('report: runs/mimae-at/report.html');
    expect(await filesUnder('runs/mimae-at')).toEqual(['checkpoint.safetensors', ...RUN]);
    const report = await readFile('runs/mimae-at/report.html', 'utf8');
    expect(report).toContain(`${step} of 1000 steps; then it was stopped`);
    expect(
      (await run(['evaluate', 'runs/mimae-at', '--data', 'data', '--samples', '10', '--attacks', 'fgsm'])).code,
    ).toBe(0);
  });

  it('says where it cannot write, and leaves nothing', async () => {
    await writeFile('file', '');
    const inFile = await train('--steps', '1', '--out', 'file/run');
    expect(inFile.err).toMatch(
      /\nerror: cannot make the run folder file\/run: a part of the path is a file, not a folder$/,
    );
    expect(inFile.code).toBe(1);
    // The kernel lets nobody, root included, make a folder here.
    const inProc = await train('--steps', '1', '--out', '/proc/bulwark');
    expect(inProc.err).toMatch(/\nerror: cannot make the run folder \/proc\/bulwark: /);
    expect(inProc.code).toBe(1);
    await mkdir('locked');
    await chmod('locked', 0o555);
    if (process.getuid?.() !== 0) {
      const locked = await train('--steps', '1', '--out', 'locked/run');
      expect(locked.err).toMatch(/\nerror: cannot make the run folder locked\/run: permission denied$/);
      expect(locked.code).toBe(1);
    }
    expect(await filesUnder('locked')).toEqual([]);
    expect((await readdir('.')).sort()).toEqual(['data', 'file', 'locked']);
  });

  it('that fails at its first step leaves nothing', async () => {
    const { code, err } = await train('--steps', '3', '--beta', '1e300', '--out', 'runs/broken');
    expect(err).toMatch(/\nerror: training diverged: .* at step \d; lower the learning rate/);
    expect(code).toBe(1);
    expect(await filesUnder('runs')).toEqual([]);
    expect(await readdir('runs')).toEqual([]);
  });
});
