import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildModel } from '../../cli/checkpoint.js';
import type { Device } from '../../engine/index.js';
import { encodeSafetensors } from '../../nn/safetensors.js';
import { saveStateDict } from '../../nn/state-dict.js';
import { testDevice } from '../support/device.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist } from './run.js';

const MODEL = {
  ...{ name: 'cnn4', classes: 10, inChannels: 1, imageSize: 28 },
  options: { width: 0.1, init: 'kaimingNormal', dropout: 0 },
};

let device: Device;
let checkpoint: Uint8Array;
let unnamed: Uint8Array;
beforeAll(async () => {
  device = await testDevice();
  const tensors = await saveStateDict(buildModel(MODEL, device, 1));
  checkpoint = encodeSafetensors(tensors, { model: 'cnn4', width: '0.1', classes: '10', eps: '0.1' });
  unnamed = encodeSafetensors(tensors);
});
afterAll(() => {
  device.destroy();
});

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
  await writeFile('model.safetensors', checkpoint);
  // Of the same model, for all that can be known.
  await writeFile('unnamed.safetensors', unnamed);
});

const check = (...args: string[]) =>
  run(['sanity', 'model.safetensors', '--data', 'data', '--samples', '8', '--queries', '4', ...args]);

describe('bulwark sanity', () => {
  it('prints what each check says, and writes it to a folder', async () => {
    const { code, out } = await check('--substitute', 'unnamed.safetensors');
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/check +finding$/);
    const verdicts = lines.slice(2, 16).map((line) => /^(pass|look|FAIL) {2}/.exec(line)?.[1]);
    expect(verdicts).not.toContain(undefined);
    expect(code).toBe(verdicts.includes('FAIL') ? 1 : 0);
    expect(lines.at(-1)).toBe('report: runs/sanity/report.html');
    expect(await filesUnder('runs/sanity')).toEqual([
      'config.json',
      'metrics.jsonl',
      'report.html',
      'report.md',
      'results.json',
    ]);
    const page = await readFile('runs/sanity/report.html', 'utf8');
    expect(page).toContain('accuracy falls to chance as eps grows');
    expect(page).toContain('Accuracy under PGD-20');
    const results = JSON.parse(await readFile('runs/sanity/results.json', 'utf8')) as { checks: { verdict: string }[] };
    expect(results.checks.map(({ verdict }) => verdict)).toEqual(verdicts.map((word) => word?.toLowerCase()));
    const markdown = await readFile('runs/sanity/report.md', 'utf8');
    expect(markdown).toContain('| pass | outputs are logits |');
    expect(markdown).toContain('| pass | the model is in evaluation mode |');
    expect(markdown).toContain('## Accuracy under PGD against steps');
  });

  it('prints JSON', async () => {
    const { out } = await check('--samples', '1', '--queries', '1', '--json');
    expect(JSON.parse(out)).toMatchObject({ report: 'runs/sanity/report.html', checks: expect.any(Array) as unknown });
  });

  it('stops at an interruption, and refuses what makes no sense', async () => {
    const interruption = new AbortController();
    const onErr = (text: string): void => {
      if (text.startsWith('adapter')) interruption.abort(new Error('stop'));
    };
    const stopped = await run(['sanity', 'model.safetensors', '--data', 'data', '--samples', '8'], {
      signal: interruption.signal,
      onErr,
    });
    expect(stopped.code).toBe(130);
    expect(await filesUnder('runs')).toEqual([]);
    const refused = await check('--eps', '0');
    expect(refused.err).toContain("--eps: '0' is not a number above 0, up to 1");
    expect(refused.code).toBe(2);
  });
});
