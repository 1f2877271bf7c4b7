import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Results } from '../../bench/results.js';
import { expectAccessible } from './accessible.js';
import { startPlayground, type Playground } from './playground.js';

let playground: Playground;
beforeAll(async () => {
  playground = await startPlayground();
});
afterAll(() => playground.close());

/** Chooses the cases with such names out of all, in one round each. */
async function choose(page: Page, only: string): Promise<void> {
  await page.getByLabel('Cases').selectOption('all');
  await page.getByLabel('whose names contain').fill(only);
  await page.getByLabel('Rounds').fill('1');
}

describe('the room Bench', () => {
  it('times a case beside the other libraries, keeps it over a visit elsewhere, and gives it as JSON', async () => {
    const { page, context } = await playground.open('bench');
    await choose(page, 'Softmax of');
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('1 of 1 case measured.').waitFor({ timeout: 60_000 });
    const cells = page.getByRole('row').filter({ hasText: 'softmax of 1024 x 100' }).getByRole('cell');
    const texts = await cells.allInnerTexts();
    expect(texts).toHaveLength(4);
    for (const ratio of texts.slice(2)) expect(ratio).toMatch(/^\d+(\.\d+)? \(.* to .*\)/);
    await expectAccessible(page, 'bench');
    await page.getByRole('link', { name: 'Device' }).click();
    await page.getByRole('link', { name: 'Bench' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download as JSON' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('bench.json');
    const results = JSON.parse(await readFile(await download.path(), 'utf8')) as Results;
    expect(results.adapter).toBe('browser');
    expect(results.failures).toEqual([]);
    expect(results.measurements[0]?.timings.map(({ contender }) => contender)).toEqual(['bulwark', 'jax-js', 'tfjs']);
    expect(Object.keys(results.versions)).toEqual(['bulwark', 'jax-js', 'tfjs']);
    await context.close();
    expect(playground.complaints()).toEqual([]);
  });

  it('stops after the case at hand, says where no case has such a name, and where a library is missing', async () => {
    const { page, context } = await playground.open('bench');
    await choose(page, 'sum of');
    await page.getByLabel('beside').uncheck();
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText(/^1 of 3: sum of/).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText(/^[12] of 3 cases measured\.$/).waitFor();
    await choose(page, 'no such case');
    await page.getByLabel('beside').check();
    await page.route('**/peers/**', (route) => route.abort());
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('No case has such a name.').waitFor();
    for (const name of ['jax-js', 'tfjs']) await page.getByText(`${name} is left out`).waitFor();
    await context.close();
    // The browser says of each file that it was not to be had.
    expect(playground.complaints().filter((text) => !text.includes('ERR_FAILED'))).toEqual([]);
  });
});
