import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { variantFiles } from '../../node/index.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-variants-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const ENTRIES = { 'conv2d forward|c3': 'plain', 'matmul|m8': { kind: 'tile', t: 8, opaque: false, splits: 1 } };

describe('variantFiles', () => {
  it('gives back what was saved for an adapter, and nothing for another', async () => {
    const files = variantFiles(join(folder, 'new'));
    expect(await files.load('a')).toBeUndefined();
    await files.save('a', ENTRIES);
    expect(await files.load('a')).toEqual(ENTRIES);
    expect(await files.load('b')).toBeUndefined();
    await files.save('b', {});
    expect(await readdir(join(folder, 'new'))).toHaveLength(2);
  });

  it('reads a broken file as none, at every length, and replaces it', async () => {
    const files = variantFiles(folder);
    await files.save('a', ENTRIES);
    const whole = await readFile(files.pathOf('a'), 'utf8');
    for (let length = 0; length < whole.trimEnd().length; length++) {
      await writeFile(files.pathOf('a'), whole.slice(0, length));
      expect(await files.load('a')).toBeUndefined();
    }
    for (const other of ['[]', 'null', '{"adapter":"a","variants":3}', '{"adapter":"a","variants":{"k":3}}']) {
      await writeFile(files.pathOf('a'), other);
      expect(await files.load('a')).toBeUndefined();
    }
    await files.save('a', ENTRIES);
    expect(await files.load('a')).toEqual(ENTRIES);
  });
});
