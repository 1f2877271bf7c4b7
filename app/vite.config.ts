/** Builds the playground into static files, `dist/playground`, or serves it while one works on it. */
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import { wgslAsText } from '../scripts/wgsl-as-text.js';
import { writeMnistSubset } from './build/mnist-subset.js';
import { PEERS, offline } from './build/offline.js';

const here = fileURLToPath(new URL('.', import.meta.url));

const shippedMnist = (): Plugin => ({ name: 'shipped-mnist', buildStart: () => writeMnistSubset(`${here}public`) });

/** Browsers that know `light-dark()`, which is not to be rewritten: the style of reports, which holds `color-scheme`, is not built here. */
const CSS = ['chrome123', 'firefox120', 'safari17.5'];

export default defineConfig({
  root: here,
  // Relative addresses: the files may be served from any folder.
  base: './',
  plugins: [wgslAsText, shippedMnist(), offline(`${here}offline/service-worker.ts`)],
  worker: {
    format: 'es',
    plugins: () => [wgslAsText],
    rolldownOptions: {
      output: {
        chunkFileNames: ({ moduleIds }) =>
          moduleIds.some((id) => /\/node_modules\/@(tensorflow|jax-js)\//.test(id))
            ? `${PEERS}[name]-[hash].js`
            : 'assets/[name]-[hash].js',
      },
    },
  },
  build: {
    outDir: `${here}../dist/playground`,
    emptyOutDir: true,
    target: 'es2023',
    cssTarget: CSS,
    // How long each plugin took is nothing to warn of.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
