/** The built playground, served statically, in Chromium. */
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright';
import { build } from 'vite';
import { serveFolder, type FolderServer } from '../../node/serve-folder.js';
import { findBrowser } from '../../scripts/browser.mjs';

const APP = fileURLToPath(new URL('../../app/', import.meta.url));
const BUILT = fileURLToPath(new URL('../../node_modules/.cache/playground/', import.meta.url));

/** A browser and a server of the playground; one for each test file. */
export interface Playground {
  readonly url: string;
  readonly browser: Browser;
  /** A new page in a context of its own, at a room; errors of the page fail the test that opened it. */
  open(room: string, options?: Parameters<Browser['newContext']>[0]): Promise<{ page: Page; context: BrowserContext }>;
  /** What the pages complained of since the last call: uncaught errors, and errors on the console. */
  complaints(): string[];
  close(): Promise<void>;
}

/** Builds the playground, serves it, and starts the browser. */
export async function startPlayground(): Promise<Playground> {
  await build({ configFile: `${APP}vite.config.ts`, logLevel: 'warn', build: { outDir: BUILT, emptyOutDir: true } });
  const server: FolderServer = await serveFolder(BUILT);
  const browser = await chromium.launch(findBrowser());
  const complaints: string[] = [];
  return {
    url: server.url,
    browser,
    open: async (room, options) => {
      // In a bare environment Chromium's own is 'en-US@posix', which no user has and Intl refuses.
      const context = await browser.newContext({ locale: 'en-US', ...options });
      const page = await context.newPage();
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      await page.goto(`${server.url}#${room}`);
      return { page, context };
    },
    complaints: () => complaints.splice(0),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
