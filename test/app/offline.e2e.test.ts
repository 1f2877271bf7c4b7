import { cp, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveFolder } from '../../node/serve-folder.js';
import { BUILT } from './build-playground.js';
import { startPlayground, type Playground } from './playground.js';

let folder: string;
let playground: Playground;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-playground-'));
  await cp(BUILT, folder, { recursive: true });
  playground = await startPlayground({ folder });
});
afterAll(async () => {
  await playground.close();
  await rm(folder, { recursive: true });
});

const ROOMS = ['Train', 'Evaluate', 'Bench', 'Device', 'Attack'];

/** Opens every room, and fails where one does not load. */
async function visitAll(page: Page): Promise<void> {
  for (const room of ROOMS) {
    await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: room }).click();
    await page.getByRole('heading', { level: 1, name: room }).waitFor();
    await page.getByText('Loading ...').waitFor({ state: 'detached' });
    expect(await page.getByRole('main').innerText()).not.toMatch(/could not be loaded|failed/);
  }
}

/** Waits until the page is kept. */
function kept(page: Page): Promise<void> {
  return page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
}

/** The script that the page began with. */
function entryOf(page: Page): Promise<string | null> {
  return page.locator('script[type=module]').getAttribute('src');
}

/** Puts a newer version in the folder: every hash is another. */
async function deploy(): Promise<void> {
  const names = (await readdir(join(folder, 'assets'), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const renamed = names.map(({ name, parentPath }) => ({ name, parentPath, next: name.replace(/(\.[a-z]+)$/, '2$1') }));
  const paths = [
    ...renamed.map(({ name, parentPath }) => join(parentPath, name)),
    ...['index.html', 'sw.js'].map((name) => join(folder, name)),
  ];
  for (const path of paths) {
    let text = await readFile(path, 'utf8');
    for (const { name, next } of renamed) text = text.replaceAll(name, next);
    await writeFile(path, text.replace(/"digest":"....../, '"digest":"newer!'));
  }
  for (const { name, parentPath, next } of renamed) await rename(join(parentPath, name), join(parentPath, next));
}

describe('the playground', () => {
  it('asks nobody but its own server, announces a newer version, and opens whole without a network', async () => {
    const { page, context } = await playground.open('', { serviceWorkers: 'allow' });
    const origins = new Set<string>();
    context.on('request', (request) => origins.add(new URL(request.url()).origin));
    await kept(page);
    await visitAll(page);
    expect([...origins]).toEqual([new URL(playground.url).origin]);

    const before = await entryOf(page);
    await deploy();
    await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.update());
    await page.getByText('A newer version of this page is here.').waitFor();
    // Until one wants it, everything is of the version that the page began with.
    await visitAll(page);
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.waitForFunction(
      (old) => document.querySelector('script[type=module]')?.getAttribute('src') !== old,
      before,
    );
    await page.getByText('A newer version of this page is here.').waitFor({ state: 'detached' });
    expect(
      await page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith('bulwark'))),
    ).toHaveLength(1);

    await playground.server.close();
    await page.goto(playground.url.replace(/\/$/, '/#device'));
    await page.reload();
    await page.getByRole('heading', { name: 'Adapter' }).waitFor();
    await visitAll(page);
    expect([...origins]).toEqual([new URL(playground.url).origin]);
    const missing = playground.complaints().filter((text) => !/ERR_CONNECTION_REFUSED|ERR_FAILED/.test(text));
    expect(missing).toEqual([]);

    const { port } = new URL(playground.url);
    const again = await serveFolder(folder, Number(port));
    await page.reload();
    await visitAll(page);
    await again.close();
    await context.close();
  });
});
