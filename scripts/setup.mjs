/**
 * Makes a fresh clone ready: dependencies, the build, an adapter. Does only what is not done yet, and says which adapter it
 * took and how to get a faster one. Runs before there are any dependencies, so it needs none.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { canInstall, installLavapipe } from './lavapipe.mjs';

/** The repository's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Does all of it. Throws an Error of one or two lines where something is missing that it cannot get.
 *
 * @param options.lavapipe whether lavapipe is wanted even where there is something faster, or something else is asked for
 * @returns the adapter's choice
 */
export function setUp({ lavapipe = false } = {}) {
  checkNode();
  installDependencies();
  run('the build', [join(root, 'scripts', 'build.mjs')]);
  let found = probe();
  const wanted = process.env.BULWARK_ADAPTER || 'auto';
  const lacking = lavapipe
    ? !probe('lavapipe').choice
    : ['auto', 'lavapipe'].includes(wanted) && !['gpu', 'lavapipe'].includes(found.choice?.kind);
  if (lacking && canInstall()) {
    console.log("set-up: installing Mesa's lavapipe, the fastest software driver, with apt-get ...");
    const complaint = installLavapipe();
    if (complaint !== undefined) console.log(`set-up: lavapipe was not installed: ${complaint}`);
    found = probe();
  }
  if (!found.choice) throw new Error(found.error);
  const { kind, driver, reason, faster } = found.choice;
  console.log(`set-up: adapter ${kind}: ${driver} (${reason})`);
  if (faster !== undefined) console.log(`set-up: faster would be ${faster}`);
  return found.choice;
}

/** What the library chooses here, in a process of its own: `{choice}` or `{error}`. */
export function probe(adapter) {
  const args = [join(root, 'scripts', 'probe.mjs'), ...(adapter === undefined ? [] : [adapter])];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  const line = stdout.split('\n').findLast((text) => text.startsWith('{'));
  if (line !== undefined) return JSON.parse(line);
  const last = stderr.trim().split('\n').at(-1);
  return {
    error: `adapter ${adapter ?? 'auto'}: the driver ended the process (${signal ?? `status ${status}`}) ${last}`,
  };
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`Node.js ${process.versions.node} is too old; install 20.19 or newer`);
  }
}

function installDependencies() {
  if (isInstalled()) return;
  console.log('set-up: npm ci ...');
  const args = ['ci', '--loglevel=error', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  const { status } = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
    : spawnSync('npm', args, {
        cwd: root,
        stdio: ['ignore', 'inherit', 'inherit'],
        shell: process.platform === 'win32',
      });
  if (status !== 0) throw new Error('npm ci failed; see above');
}

/** Whether what npm noted down in node_modules is what the lock file asks for. npm writes that note last of all. */
function isInstalled() {
  const note = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(note)) return false;
  const installed = JSON.parse(readFileSync(note, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    // The entry without a path is the project itself.
    if (path === '') return true;
    return installed[path] === undefined ? optional === true : installed[path].version === version;
  });
}

function run(what, args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${what} failed; see above`);
}

/** Runs a script's work: an error becomes one message and exit code 1. */
export async function main(work) {
  try {
    process.exitCode = await work();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(() => {
    setUp();
    return 0;
  });
}
