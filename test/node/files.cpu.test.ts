import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArgumentError, BulwarkError } from '../../engine/errors.js';
import { fileError } from '../../node/file-error.js';
import { createRunFolder, makeFolder, readBytes, reopenRunFolder, writeFileAtomic } from '../../node/files.js';
import { LockedError } from '../../node/lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-files-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('readBytes', () => {
  it('reads a file, and names one that it cannot read', async () => {
    await writeFile(join(folder, 'a'), Uint8Array.of(1, 2));
    expect(await readBytes(join(folder, 'a'))).toEqual(Uint8Array.of(1, 2));
    await expect(readBytes(join(folder, 'b'))).rejects.toThrow(ArgumentError);
    await expect(readBytes(join(folder, 'b'))).rejects.toThrow(/^cannot read .*\/b: there is no such file/);
    await expect(readBytes(folder)).rejects.toThrow(/it is a folder, not a file/);
    await expect(readBytes(join(folder, 'a', 'b'))).rejects.toThrow(/a part of the path is a file/);
  });
});

describe('writeFileAtomic', () => {
  it('writes text and bytes, in place of what was there, and leaves nothing else', async () => {
    const path = join(folder, 'out');
    await writeFileAtomic(path, 'first, which is longer');
    await writeFileAtomic(path, 'second');
    expect(await readFile(path, 'utf8')).toBe('second');
    await writeFileAtomic(path, Uint8Array.of(7));
    expect([...(await readFile(path))]).toEqual([7]);
    expect(await readdir(folder)).toEqual(['out']);
  });

  it('leaves what was there, and no temporary file, where it fails', async () => {
    const path = join(folder, 'out');
    await mkdir(join(path, 'inner'), { recursive: true });
    await expect(writeFileAtomic(path, 'x')).rejects.toThrow(ArgumentError);
    await expect(writeFileAtomic(path, 'x')).rejects.toThrow(/^cannot write .*\/out: it is a folder/);
    expect(await readdir(folder)).toEqual(['out']);
    await expect(writeFileAtomic(join(folder, 'none', 'x'), 'x')).rejects.toThrow(/there is no such file or folder/);
    await writeFile(join(folder, 'file'), '');
    await expect(writeFileAtomic(join(folder, 'file', 'x'), 'x')).rejects.toThrow(/a part of the path is a file/);
  });

  it('survives writers of one file at the same time', async () => {
    const path = join(folder, 'out');
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(5000));
    await Promise.all(texts.map((text) => writeFileAtomic(path, text)));
    expect(texts).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['out']);
  });
});

describe('fileError', () => {
  it('tells what another path would help from what it would not', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    expect(fileError('write', 'x', full)).not.toBeInstanceOf(ArgumentError);
    expect(fileError('write', 'x', full)).toBeInstanceOf(BulwarkError);
    expect(fileError('write', 'x', full).message).toMatch(/^cannot write x: the disk is full; make room and go on/);
    const readOnly = Object.assign(new Error('EROFS'), { code: 'EROFS' });
    expect(fileError('write', 'x', readOnly)).toBeInstanceOf(ArgumentError);
    const own = new ArgumentError('mine');
    expect(fileError('write', 'x', own)).toBe(own);
    expect(fileError('write', 'x', 'odd').message).toBe('cannot write x: odd');
  });
});

describe('makeFolder', () => {
  it('makes a folder and those above it, and names the one that cannot be made', async () => {
    await Promise.all([1, 2].map(() => makeFolder(join(folder, 'a', 'b'))));
    await makeFolder(join(folder, 'a', 'b'));
    expect(await readdir(join(folder, 'a'))).toEqual(['b']);
    await writeFile(join(folder, 'file'), '');
    const within = makeFolder(join(folder, 'file', 'a', 'b'));
    await expect(within).rejects.toThrow(ArgumentError);
    await expect(within).rejects.toThrow(/^cannot make the folder .*\/file\/a\/b: a part of the path is a file/);
    await expect(makeFolder('/proc/bulwark')).rejects.toThrow(/^cannot make the folder \/proc\/bulwark: /);
  });
});

describe('createRunFolder', () => {
  it('makes a folder and those above it, and takes an empty one', async () => {
    const path = join(folder, 'runs', 'a');
    for (let time = 0; time < 2; time++) {
      const lock = await createRunFolder(path);
      await expect(createRunFolder(path)).rejects.toThrow(LockedError);
      await lock.release();
      expect(await readdir(path)).toEqual([]);
    }
  });

  it('replaces a run with force only, and only its files', async () => {
    const path = join(folder, 'run');
    await mkdir(path);
    const run = ['config.json', 'metrics.jsonl', 'report.html', 'last.safetensors', '.last.safetensors.0123abcd.tmp'];
    const others = ['notes.txt', 'package.json', '.hidden.safetensors', 'x.tmp'];
    for (const name of [...run, ...others]) await writeFile(join(path, name), 'x');
    await expect(createRunFolder(path)).rejects.toThrow(ArgumentError);
    await expect(createRunFolder(path)).rejects.toThrow(/run holds a run already .*--force/);
    expect((await readdir(path)).length).toBe(run.length + others.length);
    expect((await readdir(path)).sort()).toEqual([...run, ...others].sort());
    await (await createRunFolder(path, { force: true })).release();
    expect((await readdir(path)).sort()).toEqual([...others].sort());
  });

  it('takes a folder in which a killed process left nothing but its lock and what was unfinished', async () => {
    await writeFile(join(folder, 'run.lock'), '{"pid":');
    await writeFile(join(folder, '.config.json.0123abcd.tmp'), 'x');
    await (await createRunFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('does not touch a folder that holds something else, even with force', async () => {
    await writeFile(join(folder, 'thesis.tex'), 'x');
    for (const force of [false, true]) {
      await expect(createRunFolder(folder, { force })).rejects.toThrow(/is not empty and holds no run/);
    }
    expect(await readdir(folder)).toEqual(['thesis.tex']);
  });

  it('says where no folder can be', async () => {
    await writeFile(join(folder, 'file'), 'x');
    await expect(createRunFolder(join(folder, 'file'))).rejects.toThrow(/file is a file; name a folder/);
    await expect(createRunFolder(join(folder, 'file', 'run'))).rejects.toThrow(
      /^cannot make the run folder .*: a part of the path is a file/,
    );
    await symlink(join(folder, 'nowhere'), join(folder, 'dangling'));
    await expect(createRunFolder(join(folder, 'dangling'))).rejects.toThrow(BulwarkError);
    // The kernel lets nobody, root included, make a folder here.
    await expect(createRunFolder('/proc/bulwark-run')).rejects.toThrow(ArgumentError);
  });

  it('says where it may not write', async () => {
    const locked = join(folder, 'locked');
    await mkdir(locked);
    await chmod(locked, 0o555);
    for (const path of [locked, join(locked, 'run')]) {
      const attempt = createRunFolder(path);
      // Permissions do not bind root.
      if (process.getuid?.() === 0) await (await attempt).release();
      else await expect(attempt).rejects.toThrow(/^cannot make the run folder .*: permission denied/);
    }
  });
});

describe('reopenRunFolder', () => {
  it('locks the folder, and removes what a killed process left unfinished, and nothing else', async () => {
    const names = ['metrics.jsonl', 'checkpoint.safetensors', 'notes.tmp'];
    for (const name of [...names, '.checkpoint.safetensors.0123abcd.tmp']) await writeFile(join(folder, name), 'x');
    const lock = await reopenRunFolder(folder);
    await expect(reopenRunFolder(folder)).rejects.toThrow(LockedError);
    await lock.release();
    expect((await readdir(folder)).sort()).toEqual([...names].sort());
  });
});
