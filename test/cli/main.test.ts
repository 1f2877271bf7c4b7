import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { filesUnder, inTemporaryFolder, writeTinyMnist } from './run.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The command as one file, built anew so that no old build is tested; within the repository, so that it finds packages. */
let built = '';
beforeAll(async () => {
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  built = await mkdtemp(join(cache, 'bulwark-command-'));
  await build({
    absWorkingDir: root,
    entryPoints: ['cli/main.ts'],
    outfile: join(built, 'cli.js'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    loader: { '.wgsl': 'text' },
    logLevel: 'silent',
  });
});
afterAll(() => rm(built, { recursive: true, force: true }));

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
  const child = spawn(process.execPath, [join(built, 'cli.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
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
    expect(ended.err).toMatch(/interrupted after step \d+ of 100000; the model was saved\n$/);
    expect(ended.out).toBe('report: runs/plain/report.html\n');
    expect(ended.code).toBe(130);
    expect(await filesUnder('runs/plain')).toEqual([
      'config.json',
      'metrics.jsonl',
      'model.safetensors',
      'report.html',
    ]);
  });

  it('does not mind that nobody reads its output', async () => {
    const child = spawn(process.execPath, [join(built, 'cli.js'), 'train', '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await new Promise((resolve) => child.on('close', resolve));
    expect(err).toBe('');
  });
});
