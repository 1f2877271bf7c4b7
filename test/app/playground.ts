/** The built playground, served statically, in Chromium. */
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright';
import { serveFolder, type FolderServer } from '../../node/serve-folder.js';
import { BUILT } from './build-playground.js';

/** A browser and a server of the playground; one for each test file. */
export interface Playground {
  readonly url: string;
  readonly browser: Browser;
  /**
   * A new page in a context of its own, at a room; errors of the page fail the test that opened it. Nothing is kept for offline use unless
   * `serviceWorkers` allows it.
   */
  open(room: string, options?: Parameters<Browser['newContext']>[0]): Promise<{ page: Page; context: BrowserContext }>;
  /** What the pages complained of since the last call: uncaught errors, and errors on the console. */
  complaints(): string[];
  close(): Promise<void>;
}

/** What gives headless Chromium an adapter on any machine. */
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Where a playground is other than usual. */
export interface PlaygroundOptions {
  readonly folder?: string;
  readonly flags?: readonly string[];
}

/** Serves the playground as it was built before the tests, or another folder with it, and starts the browser with `flags` beside the usual. */
export async function startPlayground({ folder = BUILT, flags = WEBGPU }: PlaygroundOptions = {}): Promise<Playground> {
  const server: FolderServer = await serveFolder(folder);
  const browser = await chromium.launch({
    executablePath: process.env['BULWARK_CHROMIUM'] ?? '/tmp/chromium',
    args: [
      '--no-sandbox',
      ...flags,
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const complaints: string[] = [];
  return {
    url: server.url,
    browser,
    open: async (room, options) => {
      const context = await browser.newContext({ serviceWorkers: 'block', ...options });
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
