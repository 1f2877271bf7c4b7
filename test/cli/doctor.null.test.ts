import { describe, expect, it } from 'vitest';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist } from './run.js';

inTemporaryFolder();

describe('on an adapter that computes nothing', () => {
  it('doctor fails, as JSON says', async () => {
    const { code, out } = await run(['doctor', '--adapter', 'null', '--json']);
    expect(code).toBe(1);
    const findings: unknown = JSON.parse(out);
    expect(findings).toMatchObject({ passed: false, adapter: { choice: { kind: 'null' } } });
    const { checks } = findings as { checks: readonly { name: string; passed: boolean }[] };
    expect(checks.length).toBeGreaterThan(10);
    expect(checks.filter(({ passed }) => passed)).toEqual([]);
  });

  it('doctor names the kernels', async () => {
    const { code, out } = await run(['doctor', '--adapter', 'null']);
    expect(code).toBe(1);
    expect(out).toMatch(/^matmul 5x7x3 +FAILED/m);
    expect(out).toMatch(/(\d+) of \1 kernels FAILED$/);
  });

  it('train and demo refuse', async () => {
    await writeTinyMnist();
    for (const command of [
      ['train', '--eval-samples', '0'],
      ['demo', '--samples', '10'],
    ]) {
      const { code, err } = await run([...command, '--data', 'data', '--adapter', 'null']);
      expect(err).toBe(
        'error: adapter null computes nothing, so there is nothing to train or to evaluate; choose another',
      );
      expect(code).toBe(1);
    }
    expect(await filesUnder('runs')).toEqual([]);
  });
});
