/**
 * Checks the package as its users get it: its declarations are made, and the example of README.md is compiled against them by
 * TypeScript at its strictest, with the resolution of Node.js and with that of bundlers. Needs the build.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

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

process.exitCode = tsc('--project', 'tsconfig.build.json') && checkExample() ? 0 : 1;
