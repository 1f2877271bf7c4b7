/** Sets up, then runs the demonstration: MIMAE-AT beside plain training on MNIST. Arguments go to `bulwark demo`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

main(() => {
  setUp();
  const args = [join(root, 'dist', 'cli.js'), 'demo', ...process.argv.slice(2)];
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
});
