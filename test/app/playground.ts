/** The built playground, served statically, in Chromium. */
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright';
import { serveFolder, type FolderServer } from '../../node/serve-folder.js';
import { findBrowser } from '../../scripts/browser.mjs';
import { BUILT } from './build-playground.js';

/** A browser and a server of the playground; one for each test file. */
export interface Playground {
  readonly url: string;
  readonly server: FolderServer;
  readonly browser: Browser;
  /**
   * A new page in a context of its own, at a room; errors of the page fail the test that opened it. Nothing is kept for offline use unless
   * `serviceWorkers` allows it.
   */
  open(room: string, options?: Parameters<Browser['newContext']>[0]): Promise<{ page: Page; context: BrowserContext }>;
  /** Takes the adapter away from every page: its process crashes, and is started anew. */
  loseAdapter(): Promise<void>;
  /** What the pages complained of since the last call: uncaught errors, and errors on the console. */
  complaints(): string[];
  close(): Promise<void>;
}

/** Where a playground is other than usual. */
export interface PlaygroundOptions {
  /** What is served: the playground as it was built before the tests, unless told. */
  readonly folder?: string;
  /** Whether the browser has WebGPU, as it does unless told. */
  readonly webgpu?: boolean;
  /** Of the browser, beside the usual ones. */
  readonly flags?: readonly string[];
}

/** Serves the playground, and starts the browser. */
export async function startPlayground(options: PlaygroundOptions = {}): Promise<Playground> {
  const { folder = BUILT, webgpu = true, flags = [] } = options;
  const server = await serveFolder(folder);
  const { args = [], ...launch } = findBrowser();
  const usual = webgpu ? args : [...args.filter((arg) => !arg.includes('webgpu')), '--disable-features=WebGPU'];
  const browser = await chromium.launch({ ...launch, args: [...usual, ...flags] });
  const complaints: string[] = [];
  return {
    url: server.url,
    server,
    browser,
    open: async (room, options) => {
      // Where the system names no language, Chromium would take one that Intl refuses.
      const context = await browser.newContext({ locale: 'en-US', serviceWorkers: 'block', ...options });
      context.setDefaultTimeout(20_000);
      const page = await context.newPage();
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      await page.goto(`${server.url}#${room}`);
      return { page, context };
    },
    loseAdapter: async () => {
      const session = await browser.newBrowserCDPSession();
      // The answer may go down with the process.
      void session.send('Browser.crashGpuProcess').catch(() => undefined);
    },
    complaints: () => complaints.splice(0),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
