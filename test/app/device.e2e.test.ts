import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceFacts } from '../../app/rooms/device/device-facts.js';
import { expectAccessible } from './accessible.js';
import { startPlayground, type Playground } from './playground.js';

let playground: Playground;
beforeAll(async () => {
  playground = await startPlayground();
});
afterAll(() => playground.close());

describe('the room Device', () => {
  it('says what the adapter is, tests kernels until it is stopped, and hands all of it out as JSON', async () => {
    const permissions = ['clipboard-read', 'clipboard-write'];
    const { page, context } = await playground.open('device', { permissions });
    await page.getByRole('heading', { name: 'Adapter' }).waitFor();
    expect(await page.getByRole('main').innerText()).toMatch(/swiftshader.*a software adapter.*maxBufferSize/s);
    await page.getByRole('button', { name: 'Test the kernels' }).click();
    await page.getByText(/^[4-9] of \d+$/).waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText(/The test ended after \d+ of \d+ kernels, all of them right/).waitFor({ timeout: 60_000 });
    await page.getByText('Every check').click();
    const rows = page.getByRole('region', { name: 'Checks of the self-test' }).getByRole('row');
    expect(await rows.filter({ hasText: 'right' }).count()).toBe((await rows.count()) - 1);
    await page.getByRole('button', { name: 'Copy as JSON' }).click();
    await page.getByText('Copied.').waitFor();
    const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText())) as DeviceFacts & {
      readonly checks: readonly { readonly passed: boolean }[];
    };
    expect(copied).toMatchObject({ vendor: 'google', architecture: 'swiftshader', software: true, f16: false });
    expect(copied.checks.length).toBeGreaterThanOrEqual(4);
    expect(copied.checks.every(({ passed }) => passed)).toBe(true);
    expect(copied.limits.find(({ name }) => name === 'maxStorageBuffersPerShaderStage')?.device).toBeGreaterThanOrEqual(
      8,
    );
    await expectAccessible(page, 'device');
    await context.close();
    expect(playground.complaints()).toEqual([]);
  });

  it('measures kernels until it is stopped, keeps what was chosen, and forgets it when asked', async () => {
    const { page, context } = await playground.open('device');
    await page.getByText('Nothing is kept yet.').waitFor();
    await page.getByLabel('Images to a step').fill('8');
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.getByText(/^[1-9]\d* measured, \d+ to go$/).waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText(/\d+ choices are measured, \d+ are left as expected/).waitFor({ timeout: 30_000 });
    await page.reload();
    await page.getByText(/^[1-9]\d* choices are kept for this adapter/).waitFor();
    await page.getByText('All that is kept').click();
    expect(await page.getByRole('region', { name: 'Kept choices' }).getByRole('row').nth(1).innerText()).toContain('|');
    await page.getByRole('button', { name: 'Forget all' }).click();
    await page.getByText('Nothing is kept yet.').waitFor();
    await page.reload();
    await page.getByText('Nothing is kept yet.').waitFor();
    await context.close();
    expect(playground.complaints()).toEqual([]);
  });

  it('shows what was copied where the clipboard is closed to pages', async () => {
    const { page, context } = await playground.open('device');
    await page.getByRole('heading', { name: 'Adapter' }).waitFor();
    await page.evaluate(() =>
      Object.defineProperty(navigator, 'clipboard', {
        value: { writeText: () => Promise.reject(new Error('closed')) },
      }),
    );
    await page.getByRole('button', { name: 'Copy as JSON' }).click();
    expect(await page.getByLabel('Everything about this device').inputValue()).toContain(
      '"architecture": "swiftshader"',
    );
    await context.close();
    expect(playground.complaints()).toEqual([]);
  });

  it('says that the adapter was lost, and goes on with it opened anew', async () => {
    const { page, context } = await playground.open('device');
    await page.getByRole('heading', { name: 'Adapter' }).waitFor();
    await playground.loseAdapter();
    await page.getByText(/^The adapter was lost: .*\. Whatever is asked next opens the adapter anew\.$/).waitFor();
    await page.getByRole('button', { name: 'Test the kernels' }).click();
    await page.getByText(/^[1-9]\d* of \d+$/).waitFor({ timeout: 60_000 });
    expect(await page.getByText('The adapter was lost').count()).toBe(0);
    await context.close();
    expect(playground.complaints()).toEqual([]);
  });
});
