/**
 * Sets up, then runs the property tests with 10,000 calls on lavapipe and on the embedded SwiftShader, and the readers of files on
 * as many damaged ones. The seed is the first
 * argument, or else drawn: `npm run test:fuzz -- 123`. BULWARK_FUZZ_CASES sets the number of calls.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { main, root, setUp } from './setup.mjs';

const CASES = '10000';

main(() => {
  setUp();
  const seed = process.argv[2] ?? String(Math.floor(Math.random() * 2 ** 31));
  const vitest = join(root, 'node_modules', '.bin', 'vitest');
  const projects = ['lavapipe', 'swiftshader', 'cpu'].flatMap((name) => ['--project', name]);
  const rows = { BULWARK_ROWS: 'lavapipe,swiftshader' };
  const env = { BULWARK_FUZZ_CASES: CASES, ...process.env, ...rows, BULWARK_FUZZ_SEED: seed };
  console.log(`seed ${seed}`);
  const files = ['test/engine/fuzz.test.ts', 'test/nn/pytorch/damaged-files.cpu.test.ts'];
  return spawnSync(vitest, ['run', ...projects, ...files], { stdio: 'inherit', env }).status ?? 1;
});
