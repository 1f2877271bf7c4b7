/** What the tests of the command share: runs of it in this process, folders to run in, and a dataset of a few images. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { runCommandLine } from '../../cli/program.js';
import { uniformFloats } from '../support/values.js';

/** What a run of the command gave. */
export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line. `onErr` sees each line that goes to standard error as it comes. */
export async function run(
  args: readonly string[],
  { signal = new AbortController().signal, onErr }: { signal?: AbortSignal; onErr?: (text: string) => void } = {},
): Promise<CommandResult> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCommandLine(args, {
    out: (text) => out.push(text),
    err: (text) => {
      err.push(text);
      onErr?.(text);
    },
    signal,
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** Gives every test of a file a new working folder, which is removed afterwards. */
export function inTemporaryFolder(): void {
  const before = process.cwd();
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bulwark-cli-'));
    process.chdir(folder);
  });
  afterEach(async () => {
    process.chdir(before);
    await rm(folder, { recursive: true, force: true });
  });
}

/** Every file under a folder, by its path from there, sorted; none where there is no folder. */
export async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, 'x').length - 1))
    .sort();
}

/** An IDX file of bytes. */
export function idx(shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, 0x0800 + shape.length);
  shape.forEach((length, axis) => header.setUint32(4 + 4 * axis, length));
  return Uint8Array.from([...new Uint8Array(header.buffer), ...bytes]);
}

const SIDE = 28;

/** Images in which the place of a bright bar tells the class, with some noise, and their labels. */
function barImages(count: number, seed: number): { images: Uint8Array; labels: Uint8Array } {
  const labels = Uint8Array.from({ length: count }, (_, index) => index % 10);
  const noise = uniformFloats(count * SIDE * SIDE, seed, 0, 40);
  const images = Uint8Array.from(noise, (value, at) => {
    const row = Math.floor(at / SIDE) % SIDE;
    const label = labels[Math.floor(at / (SIDE * SIDE))] ?? 0;
    return Math.floor(row / 2.8) === label ? 255 - value : value;
  });
  return { images, labels };
}

/** Writes a dataset in MNIST's format: 80 training and 20 test images. Returns the folder. */
export async function writeTinyMnist(folder = 'data'): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [stem, count] of [
    ['train', 80],
    ['t10k', 20],
  ] as const) {
    const { images, labels } = barImages(count, count);
    await writeFile(join(folder, `${stem}-images-idx3-ubyte`), idx([count, SIDE, SIDE], images));
    await writeFile(join(folder, `${stem}-labels-idx1-ubyte`), idx([count], labels));
  }
  return folder;
}
