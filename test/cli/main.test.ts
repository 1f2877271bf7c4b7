import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildCommand, type BuiltCommand } from './built-command.js';
import { filesUnder, inTemporaryFolder, writeTinyMnist } from './run.js';

let built: BuiltCommand;
beforeAll(async () => {
  built = await buildCommand();
});
afterAll(() => built.remove());

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], onErr?: (child: ChildProcess, text: string) => void): Promise<Ended> {
  const child = spawn(process.execPath, [built.path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
    onErr?.(child, err);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

describe('the bulwark process', () => {
  it('ends with the exit code, results on standard output, errors on standard error', async () => {
    expect(await start(['--version'])).toMatchObject({ code: 0, err: '' });
    const wrong = await start(['train', '--steps', '0']);
    expect(wrong).toEqual({ code: 2, out: '', err: "error: --steps: '0' is not an integer from 1 up\n" });
  });

  it('finishes the step on Ctrl-C, saves, and ends with 130', async () => {
    let sent = false;
    const args = ['train', '--data', 'data', '--objective', 'plain', '--width', '0.1', '--batch-size', '8'];
    const ended = await start([...args, '--steps', '100000', '--eval-samples', '0'], (child, err) => {
      if (sent || !err.includes('/100000 steps')) return;
      sent = true;
      child.kill('SIGINT');
    });
    expect(ended.err).toMatch(/stopping after this step; Ctrl-C again to stop at once/);
    expect(ended.err).toMatch(
      /interrupted after step \d+ of 100000; the model was saved; to go on: bulwark train --resume runs\/plain\n$/,
    );
    expect(ended.out).toBe('report: runs/plain/report.html\n');
    expect(ended.code).toBe(130);
    expect(await filesUnder('runs/plain')).toEqual([
      'checkpoint.safetensors',
      'config.json',
      'metrics.jsonl',
      'model.safetensors',
      'report.html',
    ]);
  });

  it('saves and ends with 130 also where Ctrl-C ended what reads its output', async () => {
    const args = ['train', '--data', 'data', '--objective', 'plain', '--width', '0.1', '--batch-size', '8'];
    const child = spawn(process.execPath, [built.path, ...args, '--steps', '100000', '--eval-samples', '0']);
    const ended = once(child, 'close');
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      if (!err.includes('/100000 steps') || child.stderr.destroyed) return;
      child.stdout.destroy();
      child.stderr.destroy();
      child.kill('SIGINT');
    });
    expect(await ended).toEqual([130, null]);
    expect(await filesUnder('runs/plain')).toContain('checkpoint.safetensors');
    expect(await filesUnder('runs/plain')).not.toContain('run.lock');
  });

  it('finds a folder for each of several that begin at once', async () => {
    const args = ['train', '--data', 'data', '--objective', 'plain', '--width', '0.1', '--batch-size', '8'];
    const all = [1, 2, 3].map(() => start([...args, '--steps', '2', '--eval-samples', '0']));
    const folders = (await Promise.all(all)).map(({ code, out, err }) => [code, out, err.includes('error')]);
    expect(folders.sort()).toEqual(
      ['plain-2', 'plain-3', 'plain'].map((name) => [0, `report: runs/${name}/report.html\n`, false]),
    );
  });

  it('does not mind that nobody reads its output', async () => {
    const child = spawn(process.execPath, [built.path, 'train', '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await new Promise((resolve) => child.on('close', resolve));
    expect(err).toBe('');
  });
});
