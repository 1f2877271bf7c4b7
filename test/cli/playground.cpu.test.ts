import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommand, type BuiltCommand } from './built-command.js';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

let built: BuiltCommand;
let folder: string;
let command: string;
beforeAll(async () => {
  built = await buildCommand();
  // A package as it is installed, with a page of one line; packages are found above it.
  folder = await mkdtemp(join(CACHE, 'bulwark-installed-'));
  command = join(folder, 'dist', 'cli.js');
  await mkdir(join(folder, 'dist', 'playground'), { recursive: true });
  await copyFile(built.path, command);
  await writeFile(join(folder, 'package.json'), '{ "name": "bulwark", "type": "module" }');
  await writeFile(join(folder, 'dist', 'playground', 'index.html'), '<p>the playground</p>');
});
afterAll(async () => {
  await built.remove();
  await rm(folder, { recursive: true });
});

/** Starts the command where no browser can be opened. */
function start(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [command, 'playground', ...args], { stdio: 'pipe' });
}

/** What a process that ends by itself says, and its exit code. */
async function ended(child: ChildProcessWithoutNullStreams): Promise<{ code: number | null; said: string }> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

/** The address that a starting command prints. */
async function addressOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  const [data] = (await once(child.stdout, 'data')) as [Buffer];
  return /http:\/\/127\.0\.0\.1:\d+\//.exec(data.toString())?.[0] ?? '';
}

describe('bulwark playground', () => {
  it('serves the page, refuses a port that is taken, and ends at Ctrl-C', async () => {
    const child = start();
    const url = await addressOf(child);
    expect(await (await fetch(url)).text()).toBe('<p>the playground</p>');
    const { code, said } = await ended(start('--port', new URL(url).port, '--no-open'));
    expect([code, said]).toEqual([1, expect.stringContaining('is taken; name another, or none') as string]);
    child.kill('SIGINT');
    expect((await ended(child)).code).toBe(130);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('refuses what is no port', async () => {
    for (const port of ['70000', '-1', 'http', '80.5']) {
      const { code, said } = await ended(start(`--port=${port}`));
      expect([code, said]).toEqual([2, expect.stringMatching(/--port/) as string]);
    }
  });

  it('says how the page is built where it is not', async () => {
    await rm(join(folder, 'dist', 'playground'), { recursive: true });
    const { code, said } = await ended(start());
    expect(code).toBe(1);
    expect(said).toMatch(/dist.playground: the playground is not built; .*npm run build/);
  });
});
