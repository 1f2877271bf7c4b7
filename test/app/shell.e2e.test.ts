import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barriers } from './accessible.js';
import { startPlayground, type Playground } from './playground.js';

let playground: Playground;
beforeAll(async () => {
  playground = await startPlayground();
});
afterAll(() => playground.close());

describe('the playground', () => {
  it('begins with an attack, leads to every room, and has nothing that keeps people out', async () => {
    const { page, context } = await playground.open('');
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Attack');
    for (const room of ['Train', 'Evaluate', 'Bench', 'Device', 'Attack']) {
      await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: room }).click();
      await page.getByRole('heading', { level: 1, name: room }).waitFor();
      expect(await barriers(page)).toEqual([]);
    }
    await context.close();
    expect(playground.complaints()).toEqual([]);
  });
});
