/**
 * Builds dist/: the library (index.js, runs in browsers), its Node.js entry (node.js), the command (cli.js), and, with
 * --types, their declarations.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { publishedKernels } from './wgsl.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

rmSync(join(root, 'dist'), { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { index: 'index.ts', node: 'node/index.ts', cli: 'cli/main.ts' },
  outdir: 'dist',
  chunkNames: 'chunks/[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  plugins: [publishedKernels],
  sourcemap: true,
  metafile: true,
  logLevel: 'warning',
});
checkBrowserSafe('dist/index.js');
chmodSync(join(root, 'dist', 'cli.js'), 0o755);
if (process.argv.includes('--types')) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '--project', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}

/** The main entry and all that it loads must not need Node.js or a package. */
function checkBrowserSafe(file, seen = new Set()) {
  if (seen.has(file)) return;
  seen.add(file);
  for (const { path, external } of metafile.outputs[file].imports) {
    if (external) throw new Error(`${file} imports ${path}, which browsers do not have`);
    checkBrowserSafe(path, seen);
  }
}
