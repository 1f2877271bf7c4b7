/**
 * Sets up, then takes three steps of MIMAE-AT with a network at its full size and compares the losses with PyTorch's in float64:
 * `npm run full-size -- resnet18`, or `wrn-34-10`; both unless told. See docs/full-size.md.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

const NETWORKS = ['resnet18', 'wrn-34-10'];

main(() => {
  const given = process.argv.slice(2);
  const names = given.length > 0 ? given : NETWORKS;
  const unknown = names.find((name) => !NETWORKS.includes(name));
  if (unknown !== undefined) throw new Error(`full-size: there is no network '${unknown}'; there are ${NETWORKS}`);
  setUp();
  const outfile = join(root, 'dist', 'full-size', 'main.js');
  const options = ['--bundle', '--platform=node', '--format=esm', '--packages=external', '--loader:.wgsl=text'];
  const esbuild = join(root, 'node_modules', '.bin', 'esbuild');
  const entry = join(root, 'test', 'support', 'full-size-main.ts');
  const built = spawnSync(esbuild, [entry, ...options, '--log-level=warning', `--outfile=${outfile}`], {
    stdio: 'inherit',
  });
  if (built.status !== 0) return 1;
  const fixtures = join(root, 'test', 'fixtures');
  return spawnSync(process.execPath, [outfile, fixtures, ...names], { stdio: 'inherit' }).status ?? 1;
});
