import { mkdir } from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { lockFolder } from '../../../node/lock.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist } from '../run.js';

inTemporaryFolder();
afterEach(() => {
  vi.unstubAllEnvs();
});

async function said(...args: string[]): Promise<string> {
  const { code, err } = await run(['reproduce', ...args]);
  return `${code} ${err}`;
}

describe('bulwark reproduce', () => {
  it('refuses what there is not, and names what there is', async () => {
    expect(await said('table12')).toMatch(
      /^2 error: unknown table 'table12' \(did you mean table\d+\?\); there are table2, /,
    );
    expect(await said('table8', '--only', 'trades,marts')).toMatch(
      /^2 error: --only: unknown row of table8 'marts' \(did you mean mart\?\)/,
    );
    expect(await said('table8', '--scale', '0')).toMatch(/^2 error: --scale: '0' is not a number above 0, up to 1/);
    expect(await said('table8', '--dataset', 'shapes32')).toMatch(
      /^2 error: --dataset shapes32: cannot stand for mnist/,
    );
    expect(await filesUnder('.')).toEqual([]);
  });

  it('says how to get CIFAR where there is none, and what to do without', async () => {
    vi.stubEnv('BULWARK_DATA', 'nothing');
    expect(await said('table5', '--dry-run')).toBe(
      "1 error: cifar10: no data found; run 'bulwark data get cifar10', or name a folder that holds its files by --data; " +
        '--dataset shapes32 runs on generated images instead',
    );
  });

  it('names the scale where the dataset is smaller than it asks for', async () => {
    await writeTinyMnist();
    expect(await said('table8', '--data', 'data', '--scale', '0.01')).toBe(
      '2 error: --scale: mnist (train) has 80 examples, not 600; ask for fewer',
    );
  });

  it('says where its folder cannot be', async () => {
    await writeTinyMnist();
    expect(
      await said('table8', '--data', 'data', '--scale', '0.001', '--out', 'data/train-labels-idx1-ubyte/out'),
    ).toBe(
      '1 error: cannot make the folder data/train-labels-idx1-ubyte/out: a part of the path is a file, not a folder',
    );
  });

  it('works in a folder alone', async () => {
    await writeTinyMnist();
    await mkdir('reproduce');
    const lock = await lockFolder('reproduce');
    expect(await said('table8', '--data', 'data', '--scale', '0.001')).toMatch(
      /^1 error: reproduce is being written by process \d+;/,
    );
    await lock.release();
  });
});
