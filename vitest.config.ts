import { defineConfig } from 'vitest/config';

/** Kernels are real files, imported as text. */
const wgslAsText = {
  name: 'wgsl-as-text',
  transform: (code: string, id: string) =>
    id.endsWith('.wgsl') ? { code: `export default ${JSON.stringify(code)};`, map: null } : null,
};

/** Every device test runs once on each of these adapters; names are those that `BULWARK_ADAPTER` takes. */
const rows = (process.env['BULWARK_ROWS'] ?? 'lavapipe,swiftshader').split(',');

/** A project that runs the files of one kind on one adapter. */
const project = (name: string, include: string, exclude: string[] = [], globalSetup: string[] = []) => ({
  plugins: [wgslAsText],
  test: {
    name,
    include: [include],
    exclude,
    globalSetup,
    env: name === 'cpu' || name === 'e2e' ? {} : { BULWARK_ADAPTER: name },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

const CPU = 'test/**/*.cpu.test.ts';
const NULL = 'test/**/*.null.test.ts';
/** The built playground, driven in Chromium by Playwright. */
const E2E = 'test/app/*.e2e.test.ts';

export default defineConfig({
  test: {
    // Choosing a driver changes the process's environment, which threads cannot.
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      project('cpu', CPU),
      project('null', NULL),
      project('e2e', E2E, [], ['test/app/build-playground.ts']),
      ...rows.map((row) => project(row, 'test/**/*.test.ts', [CPU, NULL, E2E])),
    ],
  },
});
