import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../../cli/program.js';

const folder = mkdtempSync(join(tmpdir(), 'bulwark-tune-'));
beforeAll(() => vi.stubEnv('XDG_CACHE_HOME', folder));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function run(...args: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCommandLine(['tune', ...args], {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    terminal: undefined,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

describe('bulwark tune', () => {
  it('measures within its budget, keeps the answer, and knows it the next time', async () => {
    const first = await run('--model', 'cnn4', '--width', '0.0625', '--batch', '2', '--budget', '1.5');
    expect(first.code).toBe(0);
    expect(first.out[0]).toMatch(/^choice +expected +fastest +times faster/);
    expect(first.out.at(-1)).toContain(join(folder, 'bulwark', 'variants'));
    expect(readdirSync(join(folder, 'bulwark', 'variants'))).toHaveLength(1);
    const second = await run('--model', 'cnn4', '--width', '0.0625', '--batch', '2', '--budget', '0.001');
    expect(second.code).toBe(0);
    expect(second.err.some((line) => /choices to measure, \d+ known/.test(line))).toBe(true);
  });

  it('refuses an unknown model', async () => {
    const { code, err } = await run('--model', 'cnn5');
    expect(code).toBe(2);
    expect(err.join('\n')).toContain("unknown model 'cnn5' (did you mean cnn4?)");
  });
});
