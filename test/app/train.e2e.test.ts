import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BrowserContext, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LARGEST_MODEL } from '../../app/size-limit.js';
import { encodeSafetensors } from '../../nn/safetensors.js';
import { expectAccessible } from './accessible.js';
import { startPlayground, type Playground } from './playground.js';

/** How long a part of a run may take on a driver that computes on two cores. */
const LONG = 300_000;

/** The images that the page ships. */
const SHIPPED = fileURLToPath(new URL('../../app/public/mnist/', import.meta.url));

let playground: Playground;
let folder: string;
let context: BrowserContext;
let page: Page;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-train-'));
  playground = await startPlayground();
  ({ page, context } = await playground.open('train'));
  await watchLongTasks();
});
afterAll(async () => {
  await playground.close();
  await rm(folder, { recursive: true });
});

/** Notes every task of the main thread that takes over 50 ms. */
async function watchLongTasks(): Promise<void> {
  await page.evaluate(() => {
    const tasks: number[] = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
      type: 'longtask',
    });
    Object.assign(globalThis, { longTasks: tasks });
  });
}

async function longTasks(): Promise<number[]> {
  return page.evaluate(() => (globalThis as typeof globalThis & { longTasks: number[] }).longTasks.splice(0));
}

const press = (name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click();

/** What the last measurement on test images says, in %. */
async function reached(): Promise<{ step: number; natural: number; robust: number }> {
  const text = await page.locator('.reached').innerText();
  const [, step, natural, robust] = /Step (\d+): (\d+) % right, and (\d+) % after PGD/.exec(text) ?? [];
  return { step: Number(step), natural: Number(natural), robust: Number(robust) };
}

async function stepDone(least: number): Promise<void> {
  await page.waitForFunction((count) => (document.querySelector('progress')?.value ?? 0) >= count, least, {
    timeout: LONG,
  });
}

describe('the train room', () => {
  it('says of files that are no use what is wrong with them, and keeps what was there', async () => {
    await page.getByText('Your own images, a model to begin with').click();
    const text = join(folder, 'text.gz');
    await writeFile(text, 'no data at all');
    const idx = page.getByLabel(/^IDX files/);
    await idx.setInputFiles([text, text]);
    await page.getByText(/^text\.gz: /).waitFor();
    await idx.setInputFiles([text]);
    await page.getByText('1 files: give two (images and labels), or four').waitFor();
    const model = join(folder, 'other.safetensors');
    const bias = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } as const;
    await writeFile(model, encodeSafetensors({ bias }, { model: 'resnet18' }));
    await page.getByLabel(/^A model whose weights/).setInputFiles(model);
    await page.getByText('is of a resnet18; this room trains the network cnn4').waitFor();
    const large = join(folder, 'large.safetensors');
    await writeFile(large, new Uint8Array(LARGEST_MODEL + 1));
    await page.getByLabel(/^A model whose weights/).setInputFiles(large);
    await page.getByText('large.safetensors: has 49 MiB; at most 48 MiB are taken.').waitFor();
    await page.getByText('It learns from 5,000 images of MNIST').waitFor();
    // So do settings that the trainer refuses.
    await page.getByRole('spinbutton', { name: 'lambda' }).fill('0.4');
    await page.getByRole('combobox', { name: 'Objective' }).selectOption('mma');
    await page.getByRole('spinbutton', { name: 'searchSteps' }).fill('0.5');
    await press('Train');
    await page.getByRole('alert').filter({ hasText: 'searchSteps' }).waitFor({ timeout: 60_000 });
    await page.getByText('Nothing is running.').waitFor();
    await page.getByRole('combobox', { name: 'Objective' }).selectOption('mimae-at');
  });

  it(
    'becomes robust, while the page stays quick, and can be paused, changed and taken up again',
    { timeout: 2 * LONG },
    async () => {
      await press('Train');
      await page.locator('.reached').waitFor({ timeout: LONG });
      expect((await reached()).robust).toBeLessThan(20);
      await stepDone(10);
      await longTasks();
      await stepDone(25);
      expect(await longTasks()).toEqual([]);

      await press('Pause');
      await page.getByText(/^paused: step/).waitFor({ timeout: LONG });
      const stoppedAt = await page.locator('progress').evaluate((bar) => (bar as HTMLProgressElement).value);
      expect(stoppedAt).toBeLessThan(60);
      await press('Resume');
      await page.getByRole('spinbutton', { name: 'lambda' }).fill('0.5');
      await page.getByRole('spinbutton', { name: 'beta' }).click();
      await page.getByText(/^From step \d+ on: lambda 0.5, beta 0.1/).waitFor({ timeout: LONG });

      // A page that is closed in the middle of it: the next one goes on.
      await stepDone(61);
      await page.reload();
      await page.getByText(/A run of an earlier visit stands at step \d+ of 120/).waitFor();
      await watchLongTasks();
      await press('Go on with it');
      await page.locator('.reached').waitFor({ timeout: LONG });
      await stepDone(70);
      await longTasks();
      await page.getByText(/^finished: step 120/).waitFor({ timeout: LONG });
      expect(await longTasks()).toEqual([]);
      const end = await reached();
      expect(end.step).toBe(120);
      expect(end.robust).toBeGreaterThan(60);
      await page.getByText(/mutual information \d\.\d+ of at most 2\.30 nats/).waitFor();
    },
  );

  it('saves a model on which `bulwark evaluate` finds the same, to the sample', { timeout: LONG }, async () => {
    await press('Measure on 200 test images');
    const said = page.getByText(/^Of 200 test images/);
    await said.waitFor({ timeout: LONG });
    const [, natural, robust] = /(\d+) are right, and (\d+) after PGD/.exec(await said.innerText()) ?? [];

    const downloading = page.waitForEvent('download');
    await press('Save the model');
    const file = join(folder, 'model.safetensors');
    await (await downloading).saveAs(file);
    await copyFile(join(SHIPPED, 'test-images.gz'), join(folder, 't10k-images-idx3-ubyte.gz'));
    await copyFile(join(SHIPPED, 'test-labels.gz'), join(folder, 't10k-labels-idx1-ubyte.gz'));
    const command = new URL('../../dist/cli.js', import.meta.url).pathname;
    const options = ['--adapter', 'swiftshader', '--attacks', 'pgd-20', '--samples', '200', '--data', folder, '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, [command, 'evaluate', file, ...options], {
      cwd: folder,
    });
    const { results } = JSON.parse(stdout) as { results: readonly { version: string; count: number }[] };
    const found = new Map(results.map(({ version, count }) => [version, count]));
    expect([found.get('natural'), found.get('pgd-20')]).toEqual([Number(natural), Number(robust)]);
  });

  it('hands its model to the attack room', async () => {
    await page.getByRole('link', { name: 'Attack' }).click();
    await page.getByText('Of the digit').waitFor({ timeout: LONG });
    await page.getByRole('combobox', { name: 'First model' }).selectOption('trained here, mimae-at, step 120');
    await page.getByRole('status').filter({ hasText: 'trained here, mimae-at, step 120' }).waitFor();
    await page.getByRole('link', { name: 'Train' }).click();
    await page.getByText(/^finished: step 120/).waitFor();
  });

  it(
    'learns from files of IDX, and takes a run that was saved, and one whose adapter was lost',
    { timeout: LONG },
    async () => {
      await page.getByText('Your own images, a model to begin with').click();
      const files = ['test-images.gz', 'test-labels.gz'].map((name) => join(SHIPPED, name));
      await page.getByLabel(/^IDX files/).setInputFiles(files.toReversed());
      await page.getByText('It learns from 1,000 images of your own, measured on 1,000').waitFor();
      await page.getByText('More settings').click();
      for (const [name, value] of [
        ['Steps', '30'],
        ['Images in a batch', '8'],
        ['Steps between measurements', '15'],
        ['Test images to measure on', '10'],
      ] as const) {
        await page.getByRole('spinbutton', { name, exact: true }).fill(value);
      }
      await press('Train');
      await page.locator('.reached').filter({ hasText: 'Step 0:' }).waitFor({ timeout: LONG });
      await playground.loseAdapter();
      await page.getByText(/^The adapter was lost; the run goes on from step \d+\.$/).waitFor({ timeout: LONG });
      await page.getByRole('spinbutton', { name: 'beta' }).fill('0.3');
      await press('Pause');
      await page.getByText(/^paused: step/).waitFor({ timeout: LONG });
      await page.getByRole('spinbutton', { name: 'beta' }).waitFor();
      const downloading = page.waitForEvent('download');
      await press('Save the run');
      const saved = join(folder, 'saved.safetensors');
      await (await downloading).saveAs(saved);
      await press('Resume');
      await page.getByText(/^finished: step 30/).waitFor({ timeout: LONG });
      const end = await reached();

      // Its images have to be there first.
      await press('Take those of the page');
      await page.getByLabel(/^A model whose weights/).setInputFiles(saved);
      await page
        .getByText(/^A run of saved\.safetensors stands at step \d+ of 30\. It learned from files of your own/)
        .waitFor();
      await press('Go on with it');
      await page.getByRole('alert').filter({ hasText: 'bring them first' }).waitFor();
      await page.getByLabel(/^IDX files/).setInputFiles(files);
      await page.getByText('It learns from 1,000 images of your own').waitFor();
      await press('Go on with it');
      await page.getByText(/^finished: step 30/).waitFor({ timeout: LONG });
      expect(await reached()).toEqual(end);
      await page.getByText(/^The adapter was lost/).waitFor();
    },
  );

  it('keeps nobody out', async () => {
    await expectAccessible(page, 'train');
    expect(playground.complaints()).toEqual([]);
    await context.close();
  });
});
