import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { findBrowser } from './scripts/browser.mjs';

/** Kernels are real files, imported as text. */
const wgslAsText: Plugin = {
  name: 'wgsl-as-text',
  transform: (code, id) =>
    id.endsWith('.wgsl') ? { code: `export default ${JSON.stringify(code)};`, map: null } : null,
};

/** In browsers, `x.browser.ts` takes the place of `x.ts`, where there is one beside it. */
const browserFiles: Plugin = {
  name: 'browser-files',
  enforce: 'pre',
  async resolveId(source, importer, options) {
    const found = await this.resolve(source, importer, { ...options, skipSelf: true });
    const other = found?.id.replace(/(?<!\.browser)\.ts$/, '.browser.ts');
    return other !== undefined && other !== found?.id && existsSync(other) ? other : found;
  },
};

/** The rows of device tests: adapters, by the names that `BULWARK_ADAPTER` takes, and `chromium`, the browser. */
const rows = (process.env['BULWARK_ROWS'] ?? 'lavapipe,swiftshader,chromium').split(',');

const CPU = 'test/**/*.cpu.test.ts';
const NULL = 'test/**/*.null.test.ts';
/** What only a browser has. */
const PAGE = 'test/**/*.page.test.ts';
/** The built playground, driven in Chromium by Playwright. */
const E2E = 'test/app/*.e2e.test.ts';

const TIMEOUTS = { testTimeout: 120_000, hookTimeout: 120_000 };

/** A project that runs the files of one kind in Node.js, on one adapter. */
const project = (name: string, include: string[], exclude: string[] = [], globalSetup: string[] = []) => ({
  plugins: [wgslAsText],
  test: {
    name,
    include,
    exclude,
    globalSetup,
    env: ['cpu', 'e2e'].includes(name) ? {} : { BULWARK_ADAPTER: name },
    ...TIMEOUTS,
  },
});

/** What cannot run in a page, and why. */
const NOT_IN_A_PAGE = [
  // The command, files, drivers, servers: what Node.js is for.
  'test/cli/**',
  'test/node/**',
  'test/bench/**',
  // Dawn's null backend.
  NULL,
  // They drive a browser themselves.
  E2E,
  // Compares a page of the docs with the ops, from the disk.
  'test/engine/ops-page.cpu.test.ts',
];

/**
 * What runs in Node.js on SwiftShader where it runs in Chromium besides, whose driver is the same: what a page cannot run and goes by the
 * driver, and the heart of the kernels.
 */
const BESIDE_CHROMIUM = [
  'test/node/*.test.ts',
  'test/cli/{demo,doctor,main,survival,train}.test.ts',
  'test/engine/{device,every-op,faults}.test.ts',
];

/** The same tests in Chromium, on its SwiftShader. */
const chromium = () => ({
  plugins: [wgslAsText, browserFiles],
  publicDir: false as const,
  test: {
    name: 'chromium',
    include: ['test/**/*.test.ts'],
    exclude: NOT_IN_A_PAGE,
    ...TIMEOUTS,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: findBrowser() }),
      instances: [{ browser: 'chromium' as const }],
    },
  },
});

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: {
    // Choosing a driver changes the process's environment, which threads cannot.
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      project('cpu', [CPU]),
      project('null', [NULL]),
      ...rows.flatMap((row) => {
        if (row === 'chromium') return [chromium(), project('e2e', [E2E], [], ['test/app/build-playground.ts'])];
        const all = row !== 'swiftshader' || !rows.includes('chromium');
        return [project(row, all ? ['test/**/*.test.ts'] : BESIDE_CHROMIUM, [CPU, NULL, E2E, PAGE])];
      }),
    ],
  },
});
