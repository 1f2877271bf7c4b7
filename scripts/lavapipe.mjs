/** Installs Mesa's lavapipe with apt-get, where that can be done: as root, on Debian and its relatives. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const DRIVER = 'mesa-vulkan-drivers';
const PACKAGES = [DRIVER, 'libvulkan1'];

/** The first Mesa whose lavapipe Dawn accepts, as far as is known: Debian 12's own 22.3 is refused. */
const OLDEST_MAJOR = 23;

const BACKPORTS_FILE = '/etc/apt/sources.list.d/bulwark-backports.sources';

/** Whether this process may install packages of a Debian-like system. */
export function canInstall() {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get');
}

/** Installs the driver and a Vulkan loader. Returns undefined, or why it could not be done. */
export function installLavapipe() {
  const update = apt(['update']);
  const release = newestSuite() ?? suiteOfBackports();
  if (release === undefined) {
    return `apt-get offers no Mesa ${OLDEST_MAJOR} or newer${update === undefined ? '' : ` (${update})`}`;
  }
  return apt(['install', '--yes', '--no-install-recommends', ...(release === '' ? [] : ['-t', release]), ...PACKAGES]);
}

/** The suite that has a Mesa that is new enough: '' where apt-get takes it by itself, undefined where there is none. */
function newestSuite() {
  const policy = run('apt-cache', ['policy', DRIVER]).stdout;
  const candidate = /Candidate: (\S+)/.exec(policy)?.[1] ?? '';
  if (major(candidate) >= OLDEST_MAJOR) return '';
  for (const line of run('apt-cache', ['madison', DRIVER]).stdout.split('\n')) {
    const [, version = '', source = ''] = line.split('|').map((part) => part.trim());
    const suite = /^\S+ ([^/\s]+)\//.exec(source)?.[1];
    if (suite !== undefined && major(version) >= OLDEST_MAJOR) return suite;
  }
  return undefined;
}

function major(version) {
  return Number.parseInt(version.replace(/^\d+:/, ''), 10);
}

/**
 * Adds Debian's backports, from the mirror that the machine uses already, in a file of its own, which goes again where they
 * have no Mesa that is new enough. Returns what newestSuite does.
 */
function suiteOfBackports() {
  const release = Object.fromEntries(
    [...readFileSync('/etc/os-release', 'utf8').matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, key, value]) => [
      key,
      value,
    ]),
  );
  const codename = release.VERSION_CODENAME;
  const mirror = release.ID === 'debian' ? sources().find(({ suites }) => suites.includes(codename)) : undefined;
  if (!mirror) return undefined;
  const text = [
    "# Added by bulwark's set-up for Mesa's lavapipe. To undo: delete this file, then run apt-get update.",
    'Types: deb',
    `URIs: ${mirror.uri}`,
    `Suites: ${codename}-backports`,
    'Components: main',
    ...(mirror.signedBy === undefined ? [] : [`Signed-By: ${mirror.signedBy}`]),
    '',
  ].join('\n');
  console.log(`set-up: adding ${mirror.uri} ${codename}-backports in ${BACKPORTS_FILE}`);
  writeFileSync(BACKPORTS_FILE, text, { mode: 0o644 });
  apt(['update']);
  const suite = newestSuite();
  if (suite === undefined) rmSync(BACKPORTS_FILE);
  return suite;
}

/** The binary package sources that apt-get is set up with, of both of its file formats. */
function sources() {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const files = ['/etc/apt/sources.list', ...names].filter((path) => existsSync(path));
  return files.flatMap((path) => {
    const text = readFileSync(path, 'utf8').replace(/^#.*\n/gm, '');
    if (path.endsWith('.list')) return [...text.matchAll(/^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)/gm)].map(oneLine);
    return path.endsWith('.sources') ? text.split(/\n\s*\n/).flatMap(stanza) : [];
  });
}

function oneLine([, options = '', uri, suite]) {
  return { uri, suites: [suite], signedBy: /signed-by=(\S+)/.exec(options)?.[1] };
}

function stanza(text) {
  // A field goes on in lines that are indented, as a key within the file does.
  const field = (name) => new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, 'im').exec(text)?.[1].trim();
  const [uri] = field('URIs')?.split(/\s+/) ?? [];
  if (uri === undefined || field('Enabled') === 'no' || !field('Types')?.split(/\s+/).includes('deb')) return [];
  return [{ uri, suites: field('Suites')?.split(/\s+/) ?? [], signedBy: field('Signed-By') }];
}

/** Runs apt-get with nobody to answer it. Returns undefined, or the last thing that it complained of. */
function apt(args) {
  const patience = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', '-o', 'Acquire::http::Timeout=30'];
  const { status, stdout, stderr } = run('apt-get', [...patience, '--quiet', ...args]);
  if (status === 0) return undefined;
  const complaint = `${stdout}\n${stderr}`.split('\n').findLast((line) => /^[EW]:/.test(line));
  return `apt-get ${args[0]}: ${complaint ?? `exit status ${status}`}`;
}

function run(command, args) {
  return spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
    timeout: 15 * 60 * 1000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  });
}
