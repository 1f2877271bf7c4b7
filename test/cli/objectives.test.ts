import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { OBJECTIVES, objectiveNamed } from '../../adversarial/objectives/registry.js';
import { readMetrics } from '../../node/metrics.js';
import { inTemporaryFolder, run, writeTinyMnist } from './run.js';

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

const TINY = ['train', '--data', 'data', '--width', '0.1', '--batch-size', '4', '--eval-samples', '0'];

const train = (...args: string[]) => run([...TINY, '--attack-steps', '1', '--step-size', '0.2', ...args]);

describe('bulwark train', () => {
  it('trains every objective there is', async () => {
    for (const { name } of OBJECTIVES) {
      const own = name === 'mma' ? ['--set', 'steps=2', '--set', 'searchSteps=2'] : [];
      const { code, err } = await train('--objective', name, ...own, '--steps', '2');
      expect(code, err).toBe(0);
      const metrics = await readMetrics(`runs/${name}/metrics.jsonl`);
      expect(metrics.map(({ step }) => step)).toEqual([1, 2]);
      const { classification } = objectiveNamed(name);
      for (const term of ['total', classification?.term ?? '']) {
        expect(metrics[1]?.[term], `${name}: ${term}`).toBeTypeOf('number');
      }
    }
  });

  it('says each term by itself, mutual information with its maximum, and takes options by name', async () => {
    const { code, err } = await train('--set', 'classification=ce', '--steps', '2', '--lr', '0.1');
    expect(code, err).toBe(0);
    expect(err).toMatch(/ ce \d\.\d{3} {2}mi \d\.\d{3} of 1\.386 {2}l1 \d\.\d{3} /);
    const [, { total, ce = NaN, mi = NaN, l1 = NaN } = {}] = await readMetrics('runs/mimae-at/metrics.jsonl');
    expect(Number(l1)).toBeGreaterThan(1e-3);
    expect(total).toBeCloseTo(Number(ce) - 0.4 * Number(mi) + 0.1 * Number(l1), 5);
    const config: unknown = JSON.parse(await readFile('runs/mimae-at/config.json', 'utf8'));
    expect(config).toMatchObject({ objective: { options: { classification: 'ce', lambda: 0.4, beta: 0.1 } } });
  });

  it('takes the settings of an original publication, with what they cannot be', async () => {
    const { code, err } = await run([...TINY, '--preset', 'original', '--objective', 'fast-at', '--steps', '2']);
    expect(code, err).toBe(0);
    expect(err).toMatch(/warning: preset original: the publication's MNIST network is another one/);
    const config: unknown = JSON.parse(await readFile('runs/fast-at/config.json', 'utf8'));
    expect(config).toMatchObject({ training: { optimizer: 'adam', lr: 5e-3 }, attack: { eps: 0.3 } });
    expect(await readFile('runs/fast-at/report.html', 'utf8')).toContain(
      'uniform start, 1 step of 1.25 eps, in training mode',
    );
  });
});
