import type { Page } from 'playwright';
import { expect } from 'vitest';
import { barriers } from './playground.js';

/** Fails where something on the page keeps people out: in light, in dark, and on a phone, where nothing may be wider than the screen. */
export async function expectAccessible(page: Page): Promise<void> {
  const before = page.viewportSize();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page), colorScheme).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await barriers(page), 'phone').toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth), 'width').toBeLessThanOrEqual(360);
  if (before) await page.setViewportSize(before);
}
