/** Builds the playground once for all tests that open it. */
import { fileURLToPath } from 'node:url';

const APP = fileURLToPath(new URL('../../app/', import.meta.url));

/** The folder of the playground that the tests open. */
export const BUILT = fileURLToPath(new URL('../../node_modules/.cache/playground/', import.meta.url));

/** Called by Vitest before the first of these tests. */
export async function setup(): Promise<void> {
  // The tests import this file for the folder's name alone.
  const { build } = await import('vite');
  await build({ configFile: `${APP}vite.config.ts`, logLevel: 'warn', build: { outDir: BUILT, emptyOutDir: true } });
}
