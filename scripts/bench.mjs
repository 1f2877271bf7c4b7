/** Sets up, then bundles and runs one benchmark: `npm run bench -- mutual-information`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

main(() => {
  const [name = ''] = process.argv.slice(2);
  const entry = join(root, 'bench', `${name}.ts`);
  if (!existsSync(entry))
    throw new Error(`bench/ holds no '${name}'; for example: npm run bench -- mutual-information`);
  setUp();
  const outfile = join(root, 'dist', 'bench', `${name}.js`);
  const options = ['--bundle', '--platform=node', '--format=esm', '--packages=external', '--loader:.wgsl=text'];
  const esbuild = join(root, 'node_modules', '.bin', 'esbuild');
  const bundled = spawnSync(esbuild, [entry, ...options, '--log-level=warning', `--outfile=${outfile}`], {
    stdio: 'inherit',
  });
  return bundled.status === 0 ? (spawnSync(process.execPath, [outfile], { stdio: 'inherit' }).status ?? 1) : 1;
});
