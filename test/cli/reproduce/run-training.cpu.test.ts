import { mkdir, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { planTable } from '../../../cli/reproduce/plan.js';
import { runFolder, stepsLeft } from '../../../cli/reproduce/run-training.js';
import { paperTable } from '../../../cli/reproduce/tables.js';
import { inTemporaryFolder } from '../run.js';

inTemporaryFolder();

const CHOICES = { scale: 1, seeds: 1, seed: 0, substitute: 'plain', only: ['mart'] } as const;

/** 100 epochs of 2 steps. */
const [IMAGES, STEPS] = [200, 200];

describe('stepsLeft', () => {
  const [run] = planTable(paperTable('table8'), CHOICES).runs;
  if (!run) throw new Error('table 8 has a row mart');
  const path = runFolder('out', run);
  const left = (): Promise<number | undefined> => stepsLeft('out', run, IMAGES);
  const write = (name: string, text = ''): Promise<void> => writeFile(`${path}/${name}`, text);
  const metrics = (steps: number): Promise<void> =>
    write('metrics.jsonl', Array.from({ length: steps }, (_, step) => `{"step":${step + 1}}\n`).join(''));

  it('takes a run for trained once its last step is done and the checkpoint is gone', async () => {
    expect(await left()).toBe(STEPS);
    await mkdir(path, { recursive: true });
    for (const name of ['config.json', 'checkpoint.safetensors', 'model.safetensors', 'report.html']) await write(name);
    await metrics(60);
    expect(await left()).toBe(140);
    // It can be gone on with from the checkpoint alone.
    await rm(`${path}/checkpoint.safetensors`);
    expect(await left()).toBe(STEPS);
    await metrics(STEPS);
    expect(await left()).toBeUndefined();
    await write('checkpoint.safetensors');
    expect(await left()).toBe(0);
    await rm(`${path}/checkpoint.safetensors`);
    await rm(`${path}/model.safetensors`);
    expect(await left()).toBe(STEPS);
  });

  it('does not mind a line that was cut short, and says what to do about one that is broken', async () => {
    await mkdir(path, { recursive: true });
    await write('checkpoint.safetensors');
    await write('metrics.jsonl', '{"step":1}\n{"st');
    expect(await left()).toBe(199);
    await write('metrics.jsonl', '{"step":1}\n{"st\n');
    await expect(left()).rejects.toThrow(
      new RegExp(`^${path}/metrics.jsonl: line 2 \\(byte 11\\) is not .*; remove ${path}, and it is trained anew$`),
    );
  });
});
