import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { ArgumentError } from '../../engine/errors.js';
import { serveFolder } from '../../node/serve-folder.js';
import type { Context, RunCommand } from '../context.js';
import { EXIT } from '../errors.js';
import { numeric } from '../options.js';

interface Options {
  readonly port: number;
  readonly open: boolean;
}

const EXAMPLES = `
Examples:
  bulwark playground
  bulwark playground --port 8080 --no-open

The page computes on the GPU of the browser, and asks nobody but this server for anything. It is reachable from this machine alone;
through a tunnel, such as ssh -L 8080:127.0.0.1:8080 host, from another. Any web server can serve its files: dist/playground.`;

/** Adds `bulwark playground`. */
export function addPlaygroundCommand(program: Command, run: RunCommand): void {
  program
    .command('playground')
    .description(
      'Serve the playground on this machine, and open it in the browser: attack, train and evaluate in a page.',
    )
    .addOption(
      numeric('--port <number>', 'where; 0 takes one that is free', { least: 0, most: 65535, integer: true }, 0),
    )
    .option('--no-open', 'only print the address')
    .option('--debug', 'on an error, show its stack and its causes')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => run((context) => playground(options, context)));
}

async function playground({ port, open }: Options, context: Context): Promise<number> {
  const server = await serveFolder(playgroundFolder(), port);
  try {
    context.out(`the playground: ${server.url} (Ctrl-C ends it)`);
    if (open && canOpen(context)) await openInBrowser(server.url, context);
    await interrupted(context.signal);
    return EXIT.success;
  } finally {
    await server.close();
  }
}

/**
 * The folder of the built playground, in the package that this command is of.
 *
 * @throws ArgumentError where it was not built
 */
function playgroundFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isPackage(folder) && folder !== dirname(folder)) folder = dirname(folder);
  const built = join(folder, 'dist', 'playground');
  if (existsSync(join(built, 'index.html'))) return built;
  throw new ArgumentError(
    `${built}: the playground is not built; in a clone of the repository, npm run build makes it`,
  );
}

function isPackage(folder: string): boolean {
  const file = join(folder, 'package.json');
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown }).name === 'bulwark';
}

/** Whether somebody sits there who would see a browser. */
function canOpen({ terminal }: Context): boolean {
  const { CI, DISPLAY, WAYLAND_DISPLAY, WSL_DISTRO_NAME } = process.env;
  if (!terminal || CI) return false;
  return process.platform !== 'linux' || Boolean(DISPLAY ?? WAYLAND_DISPLAY ?? WSL_DISTRO_NAME);
}

async function openInBrowser(url: string, context: Context): Promise<void> {
  try {
    const { default: open } = await import('open');
    const browser = await open(url);
    // That there is none is found out later.
    browser.on('error', () => context.err('no browser could be opened; open the address in one'));
  } catch {
    context.err('no browser could be opened; open the address in one');
  }
}

function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
