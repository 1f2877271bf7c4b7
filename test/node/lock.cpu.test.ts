import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArgumentError } from '../../engine/errors.js';
import { LOCK_FILE, LockedError, lockFolder } from '../../node/lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-lock-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A process that does nothing for a while. */
async function sleeper(): Promise<{ pid: number; end: () => Promise<void> }> {
  const child = spawn(process.execPath, ['-e', 'console.log(1); setTimeout(() => {}, 60000)']);
  await once(child.stdout, 'data');
  const end = async (): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return { pid: child.pid ?? NaN, end };
}

const leave = (holder: object): Promise<void> => writeFile(join(folder, LOCK_FILE), JSON.stringify(holder));

describe('lockFolder', () => {
  it('lets one in at a time, and leaves nothing', async () => {
    const lock = await lockFolder(folder);
    expect(await readdir(folder)).toEqual([LOCK_FILE]);
    const second = lockFolder(folder);
    await expect(second).rejects.toThrow(LockedError);
    await expect(second).rejects.toThrow(`is being written by process ${process.pid}; wait for it`);
    expect(await readdir(folder)).toEqual([LOCK_FILE]);
    await lock.release();
    expect(await readdir(folder)).toEqual([]);
    const next = await lockFolder(folder);
    // It is no longer its own.
    await lock.release();
    expect(await readdir(folder)).toEqual([LOCK_FILE]);
    await next.release();
  });

  it('lets one of many in that come at once', async () => {
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('takes over what a process left that has ended, also several at once', async () => {
    const { pid, end } = await sleeper();
    await leave({ pid, host: hostname(), began: null });
    await expect(lockFolder(folder)).rejects.toThrow(`process ${pid}`);
    await end();
    for (let round = 0; round < 20; round++) {
      await leave({ pid, host: hostname(), began: null });
      const all = await Promise.allSettled(Array.from({ length: 10 }, () => lockFolder(folder)));
      expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const one of all) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(LockedError);
      expect(JSON.parse(await readFile(join(folder, LOCK_FILE), 'utf8'))).toMatchObject({ pid: process.pid });
      expect(await readdir(folder)).toEqual([LOCK_FILE]);
    }
  });

  it('takes over from a process that has ended and that its parent has not asked about', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60']);
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    await vi.waitFor(async () => expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z '));
    await leave({ pid, host: hostname(), began: null });
    await (await lockFolder(folder)).release();
    parent.kill('SIGKILL');
  });

  it('takes over from one that ended while it took over', async () => {
    for (const name of [LOCK_FILE, `${LOCK_FILE}.takeover`, `${LOCK_FILE}.takeover.takeover`]) {
      await writeFile(join(folder, name), '{"pid":');
    }
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('removes what a process left that was killed before it had the lock, and nothing of one that is at work', async () => {
    const { pid, end } = await sleeper();
    const names = ['', '.takeover'].map((of) => `${LOCK_FILE}${of}.${hostname()}.${pid}.0123abcd`);
    for (const name of names) await writeFile(join(folder, name), '');
    await writeFile(join(folder, `other.${hostname()}.${pid}.0123abcd`), '');
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toHaveLength(3);
    await end();
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([`other.${hostname()}.${pid}.0123abcd`]);
  });

  it('knows a process from an earlier one of the same number', async () => {
    await leave({ pid: process.pid, host: hostname(), began: '1' });
    await (await lockFolder(folder)).release();
  });

  it.each(['', '{"pid":', '[]', '7'])('takes over what a loss of power left: %j', async (text) => {
    await writeFile(join(folder, LOCK_FILE), text);
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it("cannot tell of another machine's process, and says what to do", async () => {
    await leave({ pid: 1, host: 'elsewhere', began: null });
    await expect(lockFolder(folder)).rejects.toThrow(
      /by process 1 on elsewhere \(if that has ended, remove .*run\.lock\)/,
    );
  });

  it('says where there is no folder', async () => {
    await expect(lockFolder(join(folder, 'none'))).rejects.toThrow(ArgumentError);
  });
});
