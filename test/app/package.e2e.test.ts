import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveFolder, type FolderServer } from '../../node/serve-folder.js';
import { findBrowser } from '../../scripts/browser.mjs';

/** What prove.js gives. */
interface Proof {
  readonly gradient: readonly number[];
  readonly values: readonly number[];
  readonly accuracies: readonly number[];
  readonly kept?: Readonly<Record<string, unknown>>;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILES = fileURLToPath(new URL('package/', import.meta.url));

/** Optional peers: big, so those of the repository. */
const PEERS = ['webgpu', '@sparticuz/chromium'];

/** A folder that knows of the repository nothing but the tarball. */
let folder: string;
let browser: Browser;
let server: FolderServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bulwark-package-'));
  buildIfOld();
  run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], ROOT);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'fresh', private: true, type: 'module' }));
  const quiet = [
    '--prefer-offline',
    '--legacy-peer-deps',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--loglevel=error',
  ];
  run('npm', ['install', ...quiet, `./${tarball}`], folder);
  for (const name of PEERS) {
    mkdirSync(join(folder, 'node_modules', name, '..'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  cpSync(FILES, folder, { recursive: true });
  browser = await chromium.launch(findBrowser());
}, 300_000);

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What Node.js computes with the package. */
function inNode(): Proof {
  return JSON.parse(run(process.execPath, ['node.mjs'], folder)) as Proof;
}

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`);
  return stdout;
}

/** The build, where there is none with types, or one from before the last change. */
function buildIfOld(): void {
  const built = join(ROOT, 'dist', 'types', 'index.d.ts');
  const sources = ['engine', 'nn', 'data', 'adversarial', 'node', 'shaders', 'scripts'].flatMap((each) =>
    readdirSync(join(ROOT, each), { recursive: true, encoding: 'utf8' }).map((file) => join(ROOT, each, file)),
  );
  const changed = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  if (existsSync(built) && statSync(built).mtimeMs > changed) return;
  run(process.execPath, ['scripts/build.mjs', '--types'], ROOT);
}

describe('the package, installed elsewhere', () => {
  it('trains in Node.js', () => {
    const { gradient, values, kept } = inNode();
    expect(gradient).toEqual([3, 12, 27]);
    expect(values).toHaveLength(51);
    expect(values.every(Number.isFinite)).toBe(true);
    expect(kept).toBeUndefined();
  });

  it.each([
    ['bundler', 'esnext', 'es2023,dom,dom.iterable'],
    ['nodenext', 'nodenext', 'es2023,dom'],
  ])('has types for the module resolution %s, strict', (resolution, module, lib) => {
    const file = join(folder, `typed-${resolution}.ts`);
    cpSync(join(FILES, 'typed.ts.txt'), file);
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2023'];
    run(
      process.execPath,
      [tsc, '--ignoreConfig', ...options, '--module', module, '--moduleResolution', resolution, '--lib', lib, file],
      folder,
    );
  });
});

describe('the package in a page', () => {
  let page: Page;
  let expected: Proof;
  const KEPT = {
    ...{ tensors: true, listed: ['models/proof.safetensors'], missing: 'missing', runs: ['run'], step: 2 },
    ...{ gone: undefined, variants: { op: 'tile' } },
  };

  beforeAll(async () => {
    // As an application has it, without settings.
    writeFileSync(
      join(folder, 'index.html'),
      '<!doctype html><title>fresh</title><script type="module" src="/page.js"></script>',
    );
    run(
      process.execPath,
      [join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js'), 'build', '--logLevel', 'warn'],
      folder,
    );
    const alone = join(folder, 'dist', 'alone');
    mkdirSync(alone);
    cpSync(join(folder, 'node_modules', 'bulwark', 'dist', 'bulwark.min.js'), join(alone, 'bulwark.min.js'));
    cpSync(join(FILES, 'prove.js'), join(alone, 'prove.js'));
    server = await serveFolder(join(folder, 'dist'));
    page = await browser.newPage();
    await page.goto(server.url);
    await page.waitForFunction('globalThis.proofs !== undefined');
    expected = inNode();
  });

  afterAll(async () => {
    await server.close();
  });

  it.each(['inPage', 'inWorker', 'onOwnDevice'])('bundled by Vite: %s', async (name) => {
    const { kept, ...proof } = await page.evaluate<Proof>(`proofs.${name}()`);
    expect(proof).toEqual(expected);
    expect(kept).toEqual(KEPT);
  });

  it('as the one file, with no other beside it', async () => {
    const script = `(async () => {
      const bulwark = await import('/alone/bulwark.min.js');
      const { prove } = await import('/alone/prove.js');
      return prove(bulwark, await bulwark.Device.create(await navigator.gpu.requestAdapter()));
    })()`;
    const { kept, ...proof } = await page.evaluate<Proof>(script);
    expect(proof).toEqual(expected);
    expect(kept).toEqual(KEPT);
  });
});
