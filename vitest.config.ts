import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import type { ProjectConfig } from 'vitest/node';
import { findBrowser } from './scripts/browser.mjs';
import { wgslAsText } from './scripts/wgsl-as-text.js';

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

/** A project that runs files in Node.js. */
const project = (name: string, include: string[], options: ProjectConfig = {}) => ({
  plugins: [wgslAsText],
  test: { name, include, ...TIMEOUTS, ...options },
});

/** One whose files take the adapter of this name. */
const onAdapter = (name: string, include: string[], exclude: string[] = []) =>
  project(name, include, { exclude, env: { BULWARK_ADAPTER: name } });

/** The page's own times are looked at: nothing else is to run then. */
const e2e = () =>
  project('e2e', [E2E], {
    globalSetup: ['test/app/build-playground.ts'],
    sequence: { groupOrder: 1 },
    maxWorkers: 1,
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
  // Reads the page's models and Node.js's MNIST from the disk; test/app/attack.e2e.test.ts attacks in the page.
  'test/app/attack-digit.test.ts',
  // Compares a page of the docs with the ops, from the disk.
  'test/engine/ops-page.cpu.test.ts',
];

/**
 * What runs in Node.js on SwiftShader where it runs in Chromium besides, whose driver is the same: what a page cannot run and goes by the
 * driver, and a few of the kernels.
 */
const BESIDE_CHROMIUM = [
  'test/node/*.test.ts',
  'test/cli/{demo,doctor,main,train}.test.ts',
  'test/engine/{device,faults,matmul}.test.ts',
];

/**
 * What runs in Chromium alone where there is a row of it: methods made of operations, each of which is tested on both drivers, and whose
 * tests take long. Rows that are named without Chromium have them all.
 */
const ON_ONE_DRIVER = [
  'test/adversarial/{apgd,auto-attack,balls,cw-l2,deepfool,fab,guests,sanity,square,targeted,transfer}.test.ts',
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
    // Loading the library anew for each file would take longer than the tests of most of them.
    isolate: false,
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
      onAdapter('null', [NULL]),
      ...rows.flatMap((row) => {
        if (row === 'chromium') return [chromium(), e2e()];
        const beside = rows.includes('chromium');
        const some = beside && row === 'swiftshader' ? BESIDE_CHROMIUM : ['test/**/*.test.ts'];
        return [onAdapter(row, some, [CPU, NULL, E2E, PAGE, ...(beside ? ON_ONE_DRIVER : [])])];
      }),
    ],
  },
});
