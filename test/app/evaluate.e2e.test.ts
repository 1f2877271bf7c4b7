import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible } from './accessible.js';
import { startPlayground, type Playground } from './playground.js';

let playground: Playground;
let page: Page;
beforeAll(async () => {
  playground = await startPlayground();
  ({ page } = await playground.open('evaluate'));
});
afterAll(() => playground.close());

async function download(button: string): Promise<string> {
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: button }).click()]);
  return readFile(await file.path(), 'utf8');
}

/** A proportion, as far as it is looked at. */
interface Told {
  readonly count: number;
  readonly total: number;
}

interface Numbers {
  readonly images: number;
  readonly models: readonly {
    readonly title: string;
    readonly accuracies: Readonly<Record<string, Told>>;
    readonly curve: readonly { readonly eps: number; readonly accuracy: Told }[];
  }[];
}

describe('the room Evaluate', () => {
  it('measures both models, shows what it finds as it finds it, and gives a report of the same numbers', async () => {
    await page.getByLabel('Test images').selectOption('10');
    await page.getByRole('button', { name: 'Measure' }).click();
    const table = page.getByRole('region', { name: 'Accuracies', exact: true });
    await table.getByText('%').first().waitFor({ timeout: 60_000 });
    await page.getByText('Measured.').waitFor({ timeout: 100_000 });

    const { images, models } = JSON.parse(await download('Download the numbers')) as Numbers;
    expect(images).toBe(10);
    expect(models.map(({ title }) => title)).toEqual(['Plain', 'MIMAE-AT']);
    const html = await download('Download the report');
    expect(html).toContain('<svg');
    expect(html).not.toMatch(/<script|<link|src=|https?:/);
    const said = await table.innerText();
    await page.getByText('The numbers of the curve').click();
    const curve = await page.getByRole('region', { name: 'Accuracies against eps' }).innerText();
    const percent = ({ count, total }: Told): string => `${((100 * count) / total).toFixed(1)} % (`;
    for (const { accuracies, curve: points } of models) {
      expect(Object.keys(accuracies)).toEqual(['natural', 'fgsm', 'pgd-20']);
      for (const accuracy of Object.values(accuracies)) {
        expect(accuracy.total).toBe(10);
        expect(said).toContain(percent(accuracy));
        expect(html).toContain(percent(accuracy));
      }
      expect(points.map(({ eps }) => eps)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5]);
      // Without room to move it is the natural accuracy, at the table's radius the table's.
      expect(points[0]?.accuracy).toEqual(accuracies['natural']);
      expect(points[2]?.accuracy).toEqual(accuracies['pgd-20']);
      for (const { accuracy } of points) expect(curve).toContain(percent(accuracy));
    }
    const [plain, robust] = models.map(({ accuracies }) => accuracies['pgd-20']?.count ?? NaN);
    expect(robust).toBeGreaterThan(plain ?? NaN);
    await expectAccessible(page, 'evaluate');

    // Leaving the room and coming back loses nothing.
    await page.getByRole('link', { name: 'Bench' }).click();
    await page.getByRole('link', { name: 'Evaluate' }).click();
    expect(await table.innerText()).toBe(said);
    expect(playground.complaints()).toEqual([]);
  });

  it('stops when it is told to, keeps what it has, and can be started again', async () => {
    await page.getByLabel('Test images').selectOption('1000');
    await page.getByRole('button', { name: 'Measure' }).click();
    const table = page.getByRole('region', { name: 'Accuracies', exact: true });
    await table.getByText('%').first().waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped; what was found until then stays.').waitFor();
    expect(await table.innerText()).toContain('%');
    expect(await table.innerText()).toContain('not yet');
    await page.getByLabel('Test images').selectOption('10');
    await page.getByRole('button', { name: 'Measure' }).click();
    // The many attacks of the curve, whichever of them is at work.
    await page.getByText(/^Measuring: (Plain|MIMAE-AT): PGD-20 within/).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped; what was found until then stays.').waitFor();
    expect(await page.getByText('On 10 test images').count()).toBe(1);
    expect(playground.complaints()).toEqual([]);
  });
});
