import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../cli/program.js';
import type { Results } from '../../bench/results.js';

const folder = mkdtempSync(join(tmpdir(), 'bulwark-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]): Promise<{ code: number; out: string[] }> {
  const out: string[] = [];
  const code = await runCommandLine(['bench', ...args], {
    out: (text) => out.push(text),
    err: () => undefined,
    terminal: undefined,
    signal: new AbortController().signal,
  });
  return { code, out };
}

describe('bulwark bench', () => {
  it('lists its cases, which have names of their own', async () => {
    const { code, out } = await run('--list');
    expect(code).toBe(0);
    expect(new Set(out).size).toBe(out.length);
    for (const name of ['matmul 512', 'conv 3x3 N16 C64 16x16 K64, forward', 'sum of 1024 x 1024']) {
      expect(out).toContain(name);
    }
  });

  it('measures what is asked for, and writes the three reports', async () => {
    const { code, out } = await run(
      '--only',
      'mutual information of 128 x 10,',
      '--rounds',
      '1',
      '--no-peers',
      '--out',
      folder,
    );
    expect(code).toBe(0);
    expect(out[0]).toContain('over bulwark, composed');
    const results = JSON.parse(readFileSync(join(folder, 'bench.json'), 'utf8')) as Results;
    expect(results.failures).toEqual([]);
    const [own] = results.measurements[0]?.timings ?? [];
    expect(own?.census).toMatchObject({ buffers: 0, pipelines: 0, submits: 1 });
    expect(readFileSync(join(folder, 'bench.md'), 'utf8')).toContain('### mutual information');
    expect(readFileSync(join(folder, 'bench.html'), 'utf8')).toContain('<svg');
  });

  it('checks the training steps against each other, captured and eager', async () => {
    const { out } = await run('--only', 'ResNet-18, plain step', '--rounds', '1', '--no-peers', '--out', folder);
    expect(out[0]).toContain('ResNet-18, plain step');
    const { failures, measurements } = JSON.parse(readFileSync(join(folder, 'bench.json'), 'utf8')) as Results;
    expect(failures).toEqual([]);
    const [own] = measurements[0]?.timings ?? [];
    // Nothing is made anew by a captured step, and it is submitted as one.
    expect(own?.census).toMatchObject({ buffers: 0, bindGroups: 0, pipelines: 0, submits: 1 });
  });
});
