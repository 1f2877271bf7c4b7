/**
 * Checks the package as its users get it: its declarations are made, and the example of README.md is compiled against them by
 * TypeScript at its strictest, with the resolution of Node.js and with that of bundlers; and what a page has to load of it is no more than
 * it should be, and nothing of Node.js or of a package. Needs the build.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'dist', 'example');

/** Runs TypeScript; its complaints go to the console. Returns whether it had none. */
function tsc(...args) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  return spawnSync(process.execPath, [compiler, ...args], { cwd: root, stdio: 'inherit' }).status === 0;
}

function checkExample() {
  const [, example] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  if (example === undefined) throw new Error('README.md has no example in TypeScript');
  mkdirSync(folder, { recursive: true });
  try {
    const file = join(folder, 'example.mts');
    writeFileSync(file, example);
    const strict = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2023'];
    return [
      ['--module', 'nodenext', '--lib', 'es2023,dom'],
      ['--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2023,dom,dom.iterable'],
    ].every((options) => tsc(...strict, ...options, file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a page may have to load, in bytes, packed by gzip: bundled and minified by esbuild, without what is loaded on demand. */
const BUDGETS = {
  'a page that trains, attacks and evaluates': {
    limit: 90 * 1024,
    entry:
      "export { Dataset, Device, Generator, Trainer, cnn4, evaluate, fgsm, loadTensors, mimaeAT, pgd, saveStateDict } from './dist/index.js'",
  },
  'a page that only attacks': {
    limit: 70 * 1024,
    entry: "export { Device, Generator, cnn4, fgsm, loadTensors, pgd, readModelBlob } from './dist/index.js'",
  },
  'all of engine, nn and adversarial': {
    limit: 125 * 1024,
    entry: ['engine', 'nn', 'adversarial'].map((each) => `export * from './dist/${each}/index.js';`).join(''),
  },
};

/** The one file holds everything, what is otherwise loaded on demand included. */
const ONE_FILE_LIMIT = 157 * 1024;

async function checkSize() {
  const measured = Object.entries(BUDGETS).map(async ([name, { limit, entry }]) =>
    within(name, limit, await atOnce(entry)),
  );
  const oneFile = readFileSync(join(root, 'dist', 'bulwark.min.js'), 'utf8');
  const sizes = [...(await Promise.all(measured)), within('bulwark.min.js', ONE_FILE_LIMIT, oneFile)];
  const foreign = /(?:^|[;}\s])(?:import|export)[^;(]*?from\s*["']|\bimport\s*\(/.exec(oneFile);
  if (foreign) console.log(`package: bulwark.min.js imports something: ${foreign[0]}`);
  return !foreign && sizes.every(Boolean);
}

/** What is loaded at once for an entry. Everything has to be found for a browser: esbuild refuses modules of Node.js, and packages are errors. */
async function atOnce(entry) {
  const rules = {
    name: 'rules',
    setup({ onResolve }) {
      onResolve({ filter: /./ }, ({ kind, path, importer }) => {
        if (!path.startsWith('.'))
          return { errors: [{ text: `${importer} imports ${path}, which browsers do not have` }] };
        return kind === 'dynamic-import' ? { path, external: true } : undefined;
      });
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    plugins: [rules],
    logLevel: 'error',
  });
  return outputFiles[0].text;
}

function within(name, limit, code) {
  const size = gzipSync(code, { level: 9 }).length;
  const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
  const fits = size <= limit;
  console.log(`package: ${name}: ${kilobytes(size)}${fits ? '' : `, over its limit of ${kilobytes(limit)}`}`);
  return fits;
}

process.exitCode = tsc('--project', 'tsconfig.build.json') && checkExample() && (await checkSize()) ? 0 : 1;
