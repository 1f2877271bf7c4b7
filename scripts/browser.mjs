/**
 * The browser that tests run in: Chromium, with WebGPU on its own SwiftShader, so that every machine computes the same. On Linux (x64) it
 * is the headless shell of the npm package `@sparticuz/chromium`, which needs no rights and no download; elsewhere the Chrome that is
 * installed. `BULWARK_CHROMIUM` names another executable.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import process from 'node:process';
import { brotliDecompressSync } from 'node:zlib';

const PACKAGE = '@sparticuz/chromium';

/** Unpacked beside each other: the driver is looked for beside the browser. */
const ARCHIVES = ['swiftshader.tar.br', 'al2023.tar.br', 'fonts.tar.br'];

const ARGS = [
  // Tests run as root in containers, where the sandbox cannot.
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // Nothing is to be asked of any network.
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * How to start it, as Playwright's `launch` takes it.
 *
 * @throws Error where there is none, saying what to do
 */
export function findBrowser() {
  const named = process.env.BULWARK_CHROMIUM;
  if (named) {
    if (!existsSync(named)) throw new Error(`BULWARK_CHROMIUM names ${named}, which is not there`);
    return { executablePath: named, args: ARGS };
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') return { channel: 'chrome', args: ARGS };
  const folder = unpack(join(packageFolder(), 'bin'));
  const env = { ...process.env, LD_LIBRARY_PATH: join(folder, 'lib') };
  if (!existsSync('/etc/fonts/fonts.conf')) env.FONTCONFIG_FILE = join(folder, 'own-fonts.conf');
  return { executablePath: join(folder, 'chromium'), args: ARGS, env };
}

function packageFolder() {
  // The package does not export its package.json: its main file is in build/cjs or build/esm.
  let folder = dirname(createRequire(import.meta.url).resolve(PACKAGE));
  while (!existsSync(join(folder, 'bin'))) folder = dirname(folder);
  return folder;
}

/** A folder of bulwark's cache with all of it, named after its contents; there whole or not at all. */
function unpack(archives) {
  const packed = readFileSync(join(archives, 'chromium.br'));
  const digest = createHash('sha256').update(packed).digest('hex').slice(0, 16);
  const base = process.env.XDG_CACHE_HOME;
  const cache = join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'bulwark');
  const folder = join(cache, `chromium-${digest}`);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.${randomUUID().slice(0, 8)}.tmp`;
  mkdirSync(temporary, { recursive: true });
  try {
    writeFileSync(join(temporary, 'chromium'), brotliDecompressSync(packed), { mode: 0o755 });
    for (const name of ARCHIVES) {
      const input = brotliDecompressSync(readFileSync(join(archives, name)));
      const { status, stderr } = spawnSync('tar', ['-x', '--no-same-owner', '-C', temporary], { input });
      if (status !== 0) throw new Error(`${join(archives, name)} cannot be unpacked: ${String(stderr)}`);
    }
    const fonts = `<dir>${folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${folder}/fonts-cache</cachedir>`;
    writeFileSync(join(temporary, 'own-fonts.conf'), `<?xml version="1.0"?><fontconfig>${fonts}</fontconfig>\n`);
    // Another process may have been faster: its folder is as good.
    if (!existsSync(folder)) renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** Starts it and asks for a device; gives what is wrong, or undefined. */
export async function browserFault() {
  try {
    const { chromium } = await import('playwright');
    const browser = await chromium.launch(findBrowser());
    try {
      const page = await browser.newPage();
      // WebGPU is for secure contexts only, of which about:blank is none; a data page from a route is.
      await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: '<p>here</p>' }));
      await page.goto('http://localhost/');
      const adapter = await page.evaluate(async () => {
        const found = await globalThis.navigator.gpu?.requestAdapter();
        return found ? `${found.info.vendor} ${found.info.architecture}` : undefined;
      });
      return adapter === undefined ? 'Chromium starts, but has no WebGPU adapter' : undefined;
    } finally {
      await browser.close();
    }
  } catch (error) {
    return `Chromium cannot be started: ${error instanceof Error ? error.message : String(error)}`;
  }
}
