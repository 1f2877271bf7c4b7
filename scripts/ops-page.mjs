/** Writes docs/ops.md: runs every op on lavapipe and on the embedded SwiftShader and tabulates the errors. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

const ADAPTERS = ['lavapipe', 'swiftshader'];

main(() => {
  setUp();
  const outfile = join(root, 'dist', 'docs', 'ops-figures.js');
  const options = ['--bundle', '--platform=node', '--format=esm', '--packages=external', '--loader:.wgsl=text'];
  const bin = (name) => join(root, 'node_modules', '.bin', name);
  const entry = join(root, 'test', 'support', 'ops-figures.ts');
  run(bin('esbuild'), [entry, ...options, '--log-level=warning', `--outfile=${outfile}`]);
  const figures = ADAPTERS.map((adapter) => {
    const env = { ...process.env, BULWARK_ADAPTER: adapter };
    return [adapter, JSON.parse(run(process.execPath, [outfile, 'measure'], { env }))];
  });
  const page = join(root, 'docs', 'ops.md');
  writeFileSync(page, run(process.execPath, [outfile, 'page'], { input: JSON.stringify(Object.fromEntries(figures)) }));
  run(bin('prettier'), ['--write', page]);
  return 0;
});

/** What a command printed. */
function run(command, args, options = {}) {
  const { status, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['pipe', 'pipe', 'inherit'],
    ...options,
  });
  if (status !== 0) throw new Error(`${command} ended with status ${status}`);
  return stdout;
}
