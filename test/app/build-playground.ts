/** Builds the playground once for all tests that open it. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/playground.mjs', import.meta.url));

/** The folder of the playground that the tests open. */
export const BUILT = fileURLToPath(new URL('../../node_modules/.cache/playground/', import.meta.url));

/** Called by Vitest before the first of these tests. */
export function setup(): void {
  execFileSync(process.execPath, [SCRIPT, BUILT], { stdio: 'inherit' });
}
