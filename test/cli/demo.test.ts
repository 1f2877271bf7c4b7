import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { readMetrics } from '../../node/metrics.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist } from './run.js';

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

const FILES = ['config.json', 'metrics.jsonl', 'mimae-at.safetensors', 'plain.safetensors', 'report.html'];

const demo = (...args: string[]) =>
  run(['demo', '--data', 'data', '--samples', '10', '--steps', '2', '--width', '0.1', ...args]);

describe('bulwark demo', () => {
  it('compares two models, says whether what was expected came true, and can be run again', async () => {
    const { code, out } = await demo();
    expect(code).toBe(0);
    expect(out).toMatch(/^accuracy +plain +mimae-at\n/);
    // Two steps on 80 images do not do it.
    expect(out.match(/: (NOT )?met$/gm)).toHaveLength(3);
    expect(out).toMatch(/at least 80 % under PGD-20 \(\d+\.\d %\): NOT met/);
    expect(out).toMatch(/\nreport: runs\/demo\/report\.html$/);
    expect(await filesUnder('runs/demo')).toEqual(FILES);

    const config: unknown = JSON.parse(await readFile('runs/demo/config.json', 'utf8'));
    expect(config).toMatchObject({ plain: { objective: { name: 'plain' } }, 'mimae-at': { attack: { eps: 0.2 } } });
    const metrics = await readMetrics('runs/demo/metrics.jsonl');
    expect(metrics.map(({ run: name, step, evaluation }) => [name, step ?? evaluation].join(' '))).toEqual(
      ['plain', 'mimae-at'].flatMap((name) =>
        [1, 2, 'natural', 'fgsm', 'pgd-20', 'worst case'].map((what) => `${name} ${what}`),
      ),
    );
    const report = await readFile('runs/demo/report.html', 'utf8');
    for (const text of ['Training: plain', 'Training: mimae-at', 'not met']) expect(report).toContain(text);

    const again = await demo();
    expect(again.code).toBe(0);
    expect(again.out).toMatch(/\nreport: runs\/demo-2\/report\.html$/);
    expect(await readFile('runs/demo/report.html', 'utf8')).toBe(report);
    expect(await readFile('runs/demo-2/plain.safetensors')).toEqual(await readFile('runs/demo/plain.safetensors'));
    expect((await demo('--out', 'runs/demo')).code).toBe(2);
  });
});
