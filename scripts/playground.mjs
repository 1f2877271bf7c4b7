/** Builds the playground, static files that any web server can serve, into dist/playground or the folder that is named. */
import { join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const [folder = join(root, 'dist', 'playground')] = process.argv.slice(2);

// Vite goes by it before its own mode: what is built is what is shipped, tests included.
process.env.NODE_ENV = 'production';
await build({
  configFile: join(root, 'app', 'vite.config.ts'),
  logLevel: 'warn',
  build: { outDir: resolve(folder), emptyOutDir: true },
});
