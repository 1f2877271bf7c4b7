import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type ProjectConfig, type TestSpecification } from 'vitest/node';
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
/** Looks at how long the page's tasks take. */
const TIMED = 'test/app/train.e2e.test.ts';

const TIMEOUTS = { testTimeout: 120_000, hookTimeout: 120_000 };

/** A project that runs files in Node.js. */
const project = (name: string, include: string[], options: ProjectConfig = {}) => ({
  plugins: [wgslAsText],
  test: { name, include, ...TIMEOUTS, ...options },
});

/**
 * Files that load the library and no more, one after the other in the same processes: loading it anew for each would take longer than the
 * tests of most. Here no module is mocked.
 */
const OF_LIBRARY = ['test/{adversarial,app,data,engine,examples,nn}/**/*.test.ts'];

/** Files with a process each: they change what a process is, or mock modules. */
const OF_NODE = ['test/{bench,cli,node}/**/*.test.ts'];

/** Two projects whose files take the adapter of this name. */
const onAdapter = (name: string, library: string[], node: string[], exclude: string[]) => {
  const options = { exclude, env: { BULWARK_ADAPTER: name } };
  return [project(name, library, { ...options, isolate: false }), project(`${name}-node`, node, options)];
};

/** After all else, as pages go by the clock; the one whose times are looked at has the machine to itself. */
const e2e = () => {
  const globalSetup = ['test/app/build-playground.ts'];
  return [
    project('e2e', [E2E], { globalSetup, exclude: [TIMED], sequence: { groupOrder: 1 } }),
    project('e2e-timed', [TIMED], { globalSetup, sequence: { groupOrder: 2 }, maxWorkers: 1 }),
  ];
};

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
 * driver, and how Dawn for Node.js tells of faults.
 */
const BESIDE_CHROMIUM = {
  library: ['test/engine/{device,faults}.test.ts'],
  node: ['test/node/*.test.ts', 'test/cli/{demo,doctor}.test.ts'],
};

/**
 * What runs in Chromium alone where there is a row of it: derivatives and methods made of operations, each of which is tested on both
 * drivers, and whose tests take long. Rows that are named without Chromium have them all.
 */
const ON_ONE_DRIVER = [
  'test/engine/every-derivative.test.ts',
  'test/adversarial/{apgd,attacks,auto-attack,balls,cw-l2,deepfool,fab,guests,mma,presets,sanity,square,targeted,transfer}.test.ts',
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

/** Projects one after the other, so that processes can be shared. */
class ByProject extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ project }: TestSpecification): number => this.ctx.projects.indexOf(project);
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: {
    // Choosing a driver changes the process's environment, which threads cannot.
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: ByProject },
    projects: [
      ...rows.flatMap((row) => {
        if (row === 'chromium') return [chromium(), ...e2e()];
        const beside = rows.includes('chromium');
        const { library, node } =
          beside && row === 'swiftshader' ? BESIDE_CHROMIUM : { library: OF_LIBRARY, node: OF_NODE };
        return onAdapter(row, library, node, [CPU, NULL, E2E, PAGE, ...(beside ? ON_ONE_DRIVER : [])]);
      }),
      project('cpu', [CPU]),
      project('null', [NULL], { env: { BULWARK_ADAPTER: 'null' } }),
    ],
  },
});
