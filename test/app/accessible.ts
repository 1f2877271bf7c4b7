import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright';
import { expect } from 'vitest';

/** Where pictures of the pages go, for people to look at; nowhere unless told. */
const SHOTS = process.env['BULWARK_SHOTS'];

/** What keeps people from using a page, by axe-core, in a line each. */
export async function barriers(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary = '' }) => `${id}: ${html} ${failureSummary}`),
  );
}

/**
 * Fails where something on the page keeps people out: in light, in dark, and on a phone, where nothing may be wider than the screen. `name`
 * is that of its pictures.
 */
export async function expectAccessible(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  const look = async (how: string): Promise<void> => {
    expect(await barriers(page), how).toEqual([]);
    if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}-${how}.png`), fullPage: true });
  };
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await look(colorScheme);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize({ width: 360, height: 740 });
  await look('phone');
  expect(await page.evaluate(() => document.documentElement.scrollWidth), 'width').toBeLessThanOrEqual(360);
  if (before) await page.setViewportSize(before);
}
