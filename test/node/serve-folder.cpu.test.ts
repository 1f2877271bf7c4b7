import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError } from '../../engine/errors.js';
import { serveFolder, type FolderServer } from '../../node/serve-folder.js';

let around: string;
let server: FolderServer;
beforeAll(async () => {
  around = await mkdtemp(join(tmpdir(), 'bulwark-serve-'));
  await mkdir(join(around, 'page', 'assets'), { recursive: true });
  await writeFile(join(around, 'secret.txt'), 'a secret');
  await writeFile(join(around, 'page', 'index.html'), '<p>the page</p>');
  await writeFile(join(around, 'page', 'assets', 'a.js'), 'export {};');
  server = await serveFolder(join(around, 'page'));
});
afterAll(async () => {
  await server.close();
  await rm(around, { recursive: true });
});

/** Asks for a path as it stands, which `fetch` would tidy up; gives the whole answer. */
function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
    );
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('serveFolder', () => {
  it('serves the files of the folder, on the loopback address, with their types', async () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const page = await fetch(server.url);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await page.text()).toBe('<p>the page</p>');
    const script = await fetch(`${server.url}assets/a.js`);
    expect(script.headers.get('content-type')).toMatch(/^text\/javascript/);
    // Browsers ask again, and hear that nothing has changed.
    const etag = script.headers.get('etag') ?? '';
    expect((await fetch(`${server.url}assets/a.js`, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e%2fsecret.txt',
    '/..\\secret.txt',
  ])('keeps to the folder when asked for %s', async (path) => {
    const answer = await ask(path);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|403|404) /);
    expect(answer).not.toContain('a secret');
  });

  it('answers 404 where there is no such file, and goes on after what is no path', async () => {
    expect((await fetch(`${server.url}none.js`)).status).toBe(404);
    expect(await ask('/%E0%A4%A')).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await fetch(server.url)).status).toBe(200);
  });

  it('refuses a folder that is not there and a port that is taken, naming them', async () => {
    await expect(serveFolder(join(around, 'none'))).rejects.toThrow(ArgumentError);
    await expect(serveFolder(join(around, 'none'))).rejects.toThrow(/none: there is no such folder/);
    const port = Number(new URL(server.url).port);
    await expect(serveFolder(around, port)).rejects.toThrow(`port ${port} is taken; name another, or none`);
  });

  it('ends although somebody is connected, and gives its port free', async () => {
    const other = await serveFolder(around);
    const port = Number(new URL(other.url).port);
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.on('error', () => undefined);
    await other.close();
    await (await serveFolder(around, port)).close();
    socket.destroy();
  });
});
