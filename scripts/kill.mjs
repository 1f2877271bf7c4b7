/**
 * Sets up, then kills a training run 20 times (BULWARK_KILLS) at random moments, on lavapipe and on the embedded SwiftShader, and compares
 * what it ends with, byte for byte, with a run that nobody killed.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

main(() => {
  setUp({ lavapipe: true });
  const vitest = join(root, 'node_modules', '.bin', 'vitest');
  const projects = ['lavapipe-node', 'swiftshader-node'].flatMap((name) => ['--project', name]);
  const env = { BULWARK_KILLS: '20', ...process.env, BULWARK_ROWS: 'lavapipe,swiftshader' };
  const args = ['run', ...projects, 'test/cli/survival.test.ts', '-t', 'killed'];
  return spawnSync(vitest, args, { stdio: 'inherit', env }).status ?? 1;
});
