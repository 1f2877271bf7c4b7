import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible } from './accessible.js';
import { startPlayground, type Playground } from './playground.js';

let playground: Playground;
let without: Playground;
beforeAll(async () => {
  playground = await startPlayground();
  const insecure = '--host-resolver-rules=MAP playground.test 127.0.0.1';
  without = await startPlayground({ webgpu: false, flags: [insecure] });
});
afterAll(() => Promise.all([playground.close(), without.close()]));

/** A page whose scripts find the browser changed by `script`, which runs before them. */
async function openChanged(script: string): Promise<Page> {
  const context = await playground.browser.newContext({ serviceWorkers: 'block' });
  const page = await context.newPage();
  await page.addInitScript(script);
  await page.goto(playground.url);
  return page;
}

const NO_GPU = `Object.defineProperty(navigator, 'gpu', { value: undefined })`;
const NO_ADAPTER = `
  const request = GPU.prototype.requestAdapter;
  GPU.prototype.requestAdapter = () => Promise.resolve(null);
  window.plugIn = () => { GPU.prototype.requestAdapter = request; };`;

describe('where nothing can be computed, the page', () => {
  it('says that WebGPU is missing and how this browser gets it', async () => {
    const page = await openChanged(NO_GPU);
    await page.getByRole('heading', { name: 'WebGPU is missing' }).waitFor();
    await page.getByRole('heading', { name: /What to do in Chrom(e|ium) \d+ on Linux/ }).waitFor();
    await page.getByText('--enable-unsafe-webgpu').first().waitFor();
    await page.getByRole('img', { name: 'A handwritten digit' }).waitFor();
    expect(await page.getByRole('row', { name: /Linux 144/ }).getAttribute('aria-current')).toBe('true');
    await expectAccessible(page, 'without-webgpu');
    await page.context().close();
  });

  it('says that an adapter is missing, and goes on once there is one', async () => {
    const page = await openChanged(NO_ADAPTER);
    await page.getByRole('heading', { name: 'A graphics adapter is missing' }).waitFor();
    await page.getByText('mesa-vulkan-drivers').first().waitFor();
    await page.getByRole('link', { name: 'Bench' }).click();
    await page.getByRole('heading', { name: 'A graphics adapter is missing' }).waitFor();
    await page.evaluate('plugIn()');
    await page.getByRole('button', { name: 'Look again' }).click();
    await page.getByRole('button', { name: 'Start' }).waitFor();
    await page.context().close();
  });

  it('says so in a browser that has it switched off, and over plain HTTP', async () => {
    const { page, context } = await without.open('device');
    await page.getByRole('heading', { name: /WebGPU is missing|A graphics adapter is missing/ }).waitFor();
    await page.goto(without.url.replace('127.0.0.1', 'playground.test'));
    await page.getByRole('heading', { name: 'A secure address is missing' }).waitFor();
    await page.getByText('https://playground.test').waitFor();
    await context.close();
    expect(without.complaints()).toEqual([]);
  });
});

describe('where the page cannot start, it says why', () => {
  it.each([
    ['a script that is not to be had', undefined, /could not start: a part of it, .*index-.*\.js, could not be loaded/],
    ['an error', 'throw new Error("broken on purpose")', /could not start: .*broken on purpose/],
    ['a promise that fails', 'await Promise.reject(new Error("broken later"))', /could not start: .*broken later/],
  ])('after %s', async (_, body, sentence) => {
    const page = await playground.browser.newPage({ serviceWorkers: 'block' });
    await page.route('**/assets/index-*.js', (route) =>
      body === undefined ? route.abort() : route.fulfill({ contentType: 'text/javascript', body }),
    );
    await page.goto(playground.url);
    expect(await page.getByRole('alert').innerText()).toMatch(sentence);
    await page.close();
  });

  it('where only a room is missing, and leaves the others', async () => {
    const page = await playground.browser.newPage({ serviceWorkers: 'block' });
    await page.route('**/BenchRoom-*.js', (route) => route.abort());
    await page.goto(`${playground.url}#bench`);
    await page.getByText('This room could not be loaded').waitFor();
    await page.getByRole('link', { name: 'Device' }).click();
    await page.getByRole('heading', { name: 'Adapter' }).waitFor();
    await page.close();
  });
});
